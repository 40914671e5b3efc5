/** What the tests replace `vscode-languageclient/node` with, which loads only inside VS Code. */

export class NotificationType {
    constructor(readonly method: string) {}
}
