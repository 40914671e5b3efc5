/**
 * Ghost text as VS Code asks for it: which requests reach the server, and where drafts are drawn meanwhile.
 */

import {
    type InlineCompletionItem,
    type InlineCompletionList,
    type Position,
    Range,
    type TextDocument,
    window,
} from 'vscode';
import type { Middleware } from 'vscode-languageclient/node';
import type { DraftDecoration } from './drafts';
import type { DraftParams } from './protocol';

type Provide = NonNullable<Middleware['provideInlineCompletionItems']>;
type Items = InlineCompletionItem[] | InlineCompletionList | null | undefined;

export class GhostText {
    /** The request under way; a newer one takes its place. */
    private request: { readonly document: TextDocument } | undefined;
    private shown: { readonly document: TextDocument; readonly items: readonly InlineCompletionItem[] } | undefined;

    /**
     * @param drafts Where drafts are drawn.
     * @param isFilling Whether a fill of the document is under way, during which there is no ghost text.
     * @param onAnswered Called with the document of every answer.
     */
    constructor(
        private readonly drafts: DraftDecoration,
        private readonly isFilling: (document: TextDocument) => boolean,
        private readonly onAnswered: (document: TextDocument) => void,
    ) {}

    /** The language client's middleware. */
    readonly provide: Provide = async (document, position, context, token, next) => {
        if (hasSeveralCursors(document) || this.isFilling(document)) {
            return undefined;
        }
        const request = { document };
        // While the user types what is shown, the ghost text stays, and a draft would stand beside it.
        this.request = this.isTypedThrough(document, position) ? undefined : request;
        this.drafts.clear();
        let items: Items;
        try {
            items = await next(document, position, context, token);
        } finally {
            this.end(request);
        }
        if (!token.isCancellationRequested) {
            this.shown = { document, items: listOf(items) };
            this.onAnswered(document);
        }
        return items;
    };

    /** Draws a draft, if it belongs to the request under way and the text has not changed. */
    showDraft(draft: DraftParams): void {
        const editor = window.activeTextEditor;
        const document = this.request?.document;
        if (!editor || editor.document !== document || draft.uri !== document.uri.toString()) {
            return;
        }
        if (draft.version === document.version) {
            this.drafts.draw(editor, draft);
        }
    }

    /** Drops the drafts, because the cursor or the text has changed. */
    forget(): void {
        this.request = undefined;
        this.drafts.clear();
    }

    private end(request: object): void {
        if (this.request === request) {
            this.forget();
        }
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

function hasSeveralCursors(document: TextDocument): boolean {
    return window.activeTextEditor?.document === document && window.activeTextEditor.selections.length > 1;
}

function listOf(items: Items): readonly InlineCompletionItem[] {
    return Array.isArray(items) ? items : (items?.items ?? []);
}
