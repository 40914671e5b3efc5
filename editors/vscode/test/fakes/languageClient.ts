/** What the tests replace `vscode-languageclient/node` with, which loads only inside VS Code. */

export enum State {
    Stopped = 1,
    Running = 2,
    Starting = 3,
    StartFailed = 4,
}

interface Executable {
    readonly command: string;
    readonly args: readonly string[];
}

/** A client whose server runs from start to end, unless it is one that fails to start; nothing is sent. */
export class LanguageClient {
    /** Every client that was started. */
    static readonly started: LanguageClient[] = [];
    /** Whether the servers that are started now fail to. */
    static fails = false;
    state = State.Stopped;

    constructor(
        _name: string,
        readonly executable: Executable,
    ) {}

    start(): Promise<void> {
        LanguageClient.started.push(this);
        this.state = LanguageClient.fails ? State.StartFailed : State.Running;
        return LanguageClient.fails ? Promise.reject(new Error('no answer')) : Promise.resolve();
    }

    dispose(): Promise<void> {
        this.state = State.Stopped;
        return Promise.resolve();
    }

    registerFeature(): void {
        /* of this client, which sends nothing */
    }

    onNotification(): void {
        /* none comes */
    }

    onDidChangeState(): void {
        /* nobody is told */
    }
}

/** Requests and notifications, which nobody sends. */
export const ExecuteCommandRequest = {};
export const DidChangeConfigurationNotification = {};

export const RevealOutputChannelOn = { Never: 4 };
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
