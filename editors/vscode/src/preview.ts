/**
 * A fill as a diff: the document on the left, on the right what it would become, sharpening draft by draft.
 */

import {
    commands,
    Disposable,
    EventEmitter,
    type Range,
    type Tab,
    TabInputTextDiff,
    type TextDocument,
    type TextDocumentContentProvider,
    Uri,
    window,
    workspace,
} from 'vscode';

/** Of the documents on the right; package.json binds the buttons and keys to it. */
const SCHEME = 'dlm-lsp-fill';

export class FillPreview implements TextDocumentContentProvider, Disposable {
    private readonly changed = new EventEmitter<Uri>();
    private readonly closed = new EventEmitter<void>();
    private readonly listeners: Disposable;
    private uri: Uri | undefined;
    private text = '';
    private serial = 0;

    readonly onDidChange = this.changed.event;
    /** The user closed the diff. */
    readonly onDidClose = this.closed.event;

    constructor() {
        this.listeners = Disposable.from(
            workspace.registerTextDocumentContentProvider(SCHEME, this),
            window.tabGroups.onDidChangeTabs(({ closed }) => {
                if (closed.some((tab) => this.isOurs(tab))) {
                    this.uri = undefined;
                    this.closed.fire();
                }
            }),
        );
    }

    provideTextDocumentContent(): string {
        return this.text;
    }

    /** Shows a document beside itself; `update` then brings the difference. */
    async open(document: TextDocument, around: Range): Promise<void> {
        await this.close();
        this.text = document.getText();
        this.serial += 1;
        // The path tells the language; the serial keeps VS Code from showing an earlier fill that it still knows.
        this.uri = Uri.from({ scheme: SCHEME, path: document.uri.path, query: this.serial.toString() });
        const name = document.uri.path.split('/').at(-1) ?? '';
        const title = `Fill ${name}:${(around.start.line + 1).toString()}`;
        // A tab of its own: a preview takes the place of the document's tab, where that is a preview too.
        const options = { selection: around, preview: false };
        await commands.executeCommand('vscode.diff', document.uri, this.uri, title, options);
    }

    /** Shows what the document becomes when the range is replaced. */
    update(document: TextDocument, range: Range, replacement: string): void {
        if (this.uri) {
            const text = document.getText();
            const [start, end] = [document.offsetAt(range.start), document.offsetAt(range.end)];
            this.text = text.slice(0, start) + replacement + text.slice(end);
            this.changed.fire(this.uri);
        }
    }

    async close(): Promise<void> {
        const tabs = window.tabGroups.all.flatMap((group) => group.tabs).filter((tab) => this.isOurs(tab));
        this.uri = undefined;
        await window.tabGroups.close(tabs);
    }

    dispose(): void {
        this.listeners.dispose();
        this.changed.dispose();
        this.closed.dispose();
    }

    private isOurs({ input }: Tab): boolean {
        return input instanceof TabInputTextDiff && input.modified.toString() === this.uri?.toString();
    }
}
