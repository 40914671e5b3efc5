/**
 * A fill as a diff: the document on the left, and on the right the document with the fill, draft by draft.
 */

import {
    commands,
    Disposable,
    EventEmitter,
    languages,
    type Range,
    type Tab,
    TabInputTextDiff,
    type TextDocument,
    type TextDocumentContentProvider,
    Uri,
    window,
    workspace,
} from 'vscode';

/** The scheme of documents on the right, to which package.json binds buttons and keys. */
const SCHEME = 'dlm-lsp-fill';

export class FillPreview implements TextDocumentContentProvider, Disposable {
    private readonly changed = new EventEmitter<Uri>();
    private readonly closed = new EventEmitter<void>();
    private readonly listeners: Disposable;
    private uri: Uri | undefined;
    private text = '';
    private serial = 0;

    readonly onDidChange = this.changed.event;
    /** Fires when the user has closed the diff. */
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

    /** Shows a document beside a copy of it, which `update` changes. */
    async open(document: TextDocument, around: Range): Promise<void> {
        await this.close();
        this.text = document.getText();
        this.serial += 1;
        // The serial keeps VS Code from showing an earlier fill of the same path.
        const uri = Uri.from({ scheme: SCHEME, path: document.uri.path, query: this.serial.toString() });
        this.uri = uri;
        // From the path of a notebook's cell VS Code would take the language of the notebook's file.
        await languages.setTextDocumentLanguage(await workspace.openTextDocument(uri), document.languageId);
        if (this.uri !== uri) {
            return; // discarded meanwhile
        }
        const name = document.uri.path.split('/').at(-1) ?? '';
        const title = `Fill ${name}:${(around.start.line + 1).toString()}`;
        // Not a preview tab, because it would replace the document's tab if that is one.
        const options = { selection: around, preview: false };
        await commands.executeCommand('vscode.diff', document.uri, uri, title, options);
    }

    /** Shows the document with the range replaced. */
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
