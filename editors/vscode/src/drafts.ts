/**
 * A draft beside the cursor while it sharpens: one decoration, replaced in place, on one line. What no later step
 * changes, from the beginning on, is brighter than the rest.
 *
 * VS Code's decorations cannot hold a line break, so that lines are joined by `↵`.
 */

import { type Disposable, Range, type TextEditor, ThemeColor, window } from 'vscode';
import type { DraftParams } from './protocol';

const MAX_CHARS = 120;
const STABLE = new ThemeColor('descriptionForeground');
const GUESSED = new ThemeColor('editorGhostText.foreground');

export class DraftDecoration implements Disposable {
    private readonly type = window.createTextEditorDecorationType({});
    private editor: TextEditor | undefined;

    /** Draws a draft at the cursor, in place of the one before. */
    draw(editor: TextEditor, draft: DraftParams): void {
        if (this.editor !== editor) {
            this.clear();
        }
        this.editor = editor;
        const { stable, guessed } = inOneLine(draft);
        const at = editor.selection.active;
        const before = { contentText: stable, color: STABLE };
        const after = { contentText: guessed, color: GUESSED };
        editor.setDecorations(this.type, [{ range: new Range(at, at), renderOptions: { before, after } }]);
    }

    clear(): void {
        this.editor?.setDecorations(this.type, []);
        this.editor = undefined;
    }

    dispose(): void {
        this.type.dispose();
    }
}

/** The draft as one line of limited length, cut where stability ends. */
function inOneLine({ text, stableRanges }: DraftParams): { stable: string; guessed: string } {
    const stable = joinLines(text.slice(0, stableEnd(stableRanges)).trimStart());
    const guessed = joinLines(stable === '' ? text.trimStart() : text.slice(stableEnd(stableRanges)));
    const left = MAX_CHARS - stable.length;
    return { stable: clip(stable, MAX_CHARS), guessed: left > 0 ? clip(guessed.trimEnd(), left) : '' };
}

/** How far the text is stable from its beginning without a gap. */
function stableEnd(ranges: DraftParams['stableRanges']): number {
    let end = 0;
    for (const [start, stop] of ranges) {
        if (start > end) {
            break;
        }
        end = stop;
    }
    return end;
}

function joinLines(text: string): string {
    return text.replace(/[ \t]*\n\s*/g, ' ↵ ');
}

function clip(text: string, maxChars: number): string {
    return text.length > maxChars ? `${text.slice(0, maxChars - 1)}…` : text;
}
