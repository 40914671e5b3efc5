/** What the tests replace `vscode-languageclient/node` with, which loads only inside VS Code. */

export class NotificationType {
    constructor(readonly method: string) {}
}

export class ResponseError extends Error {
    constructor(
        readonly code: number,
        message: string,
    ) {
        super(message);
    }
}

export const LSPErrorCodes = { RequestCancelled: -32800 };
