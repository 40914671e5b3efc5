/**
 * Ghost text as VS Code asks for it: which requests reach the server, and where drafts are drawn meanwhile.
 */

import {
    CancellationError,
    type CancellationToken,
    commands,
    type InlineCompletionItem,
    type InlineCompletionList,
    type Position,
    Range,
    Selection,
    type TextDocument,
    window,
} from 'vscode';
import type { Middleware } from 'vscode-languageclient/node';
import type { DraftDecoration } from './drafts';
import type { DraftParams } from './protocol';
import type { StatusItem } from './status';

type Provide = NonNullable<Middleware['provideInlineCompletionItems']>;
type Items = InlineCompletionItem[] | InlineCompletionList | null | undefined;

interface Request {
    readonly document: TextDocument;
    /** The newest one that was drawn. */
    draft: DraftParams | undefined;
    /** Whether the user has accepted the draft, so that the result is inserted without being shown. */
    isAccepted: boolean;
}

export class GhostText {
    /** The request under way; a newer one takes its place. */
    private request: Request | undefined;
    private shown: { readonly document: TextDocument; readonly items: readonly InlineCompletionItem[] } | undefined;

    /**
     * @param drafts Where drafts are drawn.
     * @param isFilling Whether a fill of the document is under way, during which there is no ghost text.
     * @param status Is told of the document of every answer, and knows why there is nothing in one.
     */
    constructor(
        private readonly drafts: DraftDecoration,
        private readonly isFilling: (document: TextDocument) => boolean,
        private readonly status: StatusItem,
    ) {}

    /** The language client's middleware. */
    readonly provide: Provide = async (document, position, context, token, next) => {
        if (hasSeveralCursors(document) || this.isFilling(document)) {
            return undefined;
        }
        const request: Request = { document, draft: undefined, isAccepted: false };
        // While the user types what is shown, the ghost text stays, and a draft would stand beside it.
        this.request = this.isTypedThrough(document, position) ? undefined : request;
        this.drafts.clear();
        let items: Items;
        try {
            items = await next(document, position, context, token);
        } catch (error) {
            if (this.end(request, token)) {
                tellLoss(reasonOf(error));
            }
            throw error;
        }
        const isAccepted = this.end(request, token);
        if (!token.isCancellationRequested) {
            this.shown = { document, items: listOf(items) };
            this.status.concerns(document);
        }
        if (!isAccepted) {
            return items;
        }
        const [first] = listOf(items);
        if (first) {
            void insert(document, position, first);
        } else {
            tellLoss(this.status.current.message || 'the draft came to nothing.');
        }
        return undefined;
    };

    /**
     * Has what the drawn draft becomes inserted as soon as it is finished, or, on second thoughts, shown. It is shown
     * too if the cursor or the text changes.
     */
    acceptDraft(isAccepted: boolean): void {
        if (this.request?.draft) {
            this.request.isAccepted = isAccepted;
            this.showDraft(this.request.draft);
        }
    }

    /** Draws a draft, if it belongs to the request under way and the text has not changed. */
    showDraft(draft: DraftParams): void {
        const editor = window.activeTextEditor;
        const request = this.request;
        if (!request || editor?.document !== request.document || draft.uri !== request.document.uri.toString()) {
            return;
        }
        if (draft.version === request.document.version) {
            request.draft = draft;
            this.drafts.draw(editor, draft, request.isAccepted);
        }
    }

    /** Drops the drafts, because the cursor or the text has changed. */
    forget(): void {
        this.request = undefined;
        this.drafts.clear();
    }

    /** Ends a request; returns whether its result is to be inserted. */
    private end(request: Request, token: CancellationToken): boolean {
        if (this.request !== request) {
            return false;
        }
        this.forget();
        return request.isAccepted && !token.isCancellationRequested;
    }

    private isTypedThrough(document: TextDocument, position: Position): boolean {
        if (this.shown?.document !== document) {
            return false;
        }
        return this.shown.items.some(({ range, insertText }) => {
            const isHere = range?.start.line === position.line && range.start.isBefore(position);
            const text = isHere ? document.getText(new Range(range.start, position)) : '';
            return text !== '' && typeof insertText === 'string' && insertText.startsWith(text);
        });
    }
}

/** Does what VS Code does when ghost text is accepted, or tells why not. */
async function insert(document: TextDocument, position: Position, item: InlineCompletionItem): Promise<void> {
    const editor = window.activeTextEditor;
    const { insertText: text, range = new Range(position, position), command } = item;
    if (editor?.document !== document) {
        tellLoss('another editor is active now.');
        return;
    }
    const isText = typeof text === 'string';
    const edit = isText ? editor.edit((builder) => builder.replace(range, text)) : editor.insertSnippet(text, range);
    // It fails where the editor has just been closed.
    if (!(await edit.then((isTaken) => isTaken, () => false))) {
        tellLoss('the document has changed in the meantime.');
        return;
    }
    if (isText) {
        const end = document.positionAt(document.offsetAt(range.start) + text.length);
        editor.selection = new Selection(end, end);
    }
    if (command) {
        await commands.executeCommand(command.command, ...((command.arguments ?? []) as unknown[]));
    }
}

/** For somebody who has accepted a draft, and waits for what it becomes. */
function tellLoss(reason: string): void {
    void window.showWarningMessage(`Nothing was inserted: ${reason}`);
}

function reasonOf(error: unknown): string {
    if (error instanceof CancellationError) {
        return 'the server stopped it because settings changed or a fill was requested.';
    }
    return error instanceof Error ? error.message : String(error);
}

function hasSeveralCursors(document: TextDocument): boolean {
    return window.activeTextEditor?.document === document && window.activeTextEditor.selections.length > 1;
}

function listOf(items: Items): readonly InlineCompletionItem[] {
    return Array.isArray(items) ? items : (items?.items ?? []);
}
