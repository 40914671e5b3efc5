/**
 * What the tests replace VS Code's own module with (`npm test`): as much of it as the tested modules call. Tests hand in
 * objects of their own for the rest.
 */

import { EventEmitter as NodeEmitter } from 'node:events';

export class EventEmitter<T> {
    private readonly emitter = new NodeEmitter();

    readonly event = (listener: (what: T) => void): void => void this.emitter.on('event', listener);

    fire(what: T): void {
        this.emitter.emit('event', what);
    }

    dispose(): void {
        this.emitter.removeAllListeners();
    }
}

export class Range {
    constructor(
        readonly start: unknown,
        readonly end: unknown,
    ) {}
}

export class Selection extends Range {}

export class CancellationTokenSource {
    readonly token = { isCancellationRequested: false };

    cancel(): void {
        this.token.isCancellationRequested = true;
    }

    dispose(): void {
        this.cancel();
    }
}

export class WorkspaceEdit {
    readonly replacements: { uri: unknown; range: unknown; text: string }[] = [];

    replace(uri: unknown, range: unknown, text: string): void {
        this.replacements.push({ uri, range, text });
    }
}

export const ProgressLocation = { Notification: 15 };
export const ConfigurationTarget = { Global: 1, Workspace: 2 };

export class CancellationError extends Error {}

/** Emits `warning` and `error` with what a message says, and `edit` with a `WorkspaceEdit`. */
export const happened = new NodeEmitter();

export const commands = { executeCommand: (): Promise<undefined> => Promise.resolve(undefined) };

export const window = {
    activeTextEditor: undefined as unknown,
    showInformationMessage: (): undefined => undefined,
    /** The button that is pressed in the next error message. */
    button: undefined as string | undefined,
    showErrorMessage: (message: string): Promise<string | undefined> => {
        happened.emit('error', message);
        return Promise.resolve(window.button);
    },
    showWarningMessage: (message: string) => void happened.emit('warning', message),
    showTextDocument: (): Promise<undefined> => Promise.resolve(undefined),
    withProgress: (_options: unknown, task: (progress: unknown, token: unknown) => unknown) =>
        task({ report: () => undefined }, { onCancellationRequested: () => undefined }),
};

export const workspace = {
    isTrusted: true,
    /** Whether VS Code takes edits. */
    isEditable: true,
    applyEdit: (edit: WorkspaceEdit): Promise<boolean> => {
        happened.emit('edit', edit);
        return Promise.resolve(workspace.isEditable);
    },
    /** A setting has its default unless it was updated. */
    getConfiguration: () => ({
        get: (name: string, byDefault: unknown) => settings.get(name) ?? byDefault,
        inspect: () => undefined,
        update: (name: string, value: unknown) => Promise.resolve(void settings.set(name, value)),
    }),
};

export const settings = new Map<string, unknown>();

/** The API of the Python extension, if that is installed. */
export const python: { api?: unknown } = {};

export const extensions = {
    getExtension: () => (python.api === undefined ? undefined : { activate: () => Promise.resolve(python.api) }),
};
