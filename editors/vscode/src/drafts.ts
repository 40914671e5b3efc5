/**
 * A draft beside the cursor while it sharpens: one decoration, replaced in place, on one line. Its beginning,
 * as far as no later step changes it, is brighter than the rest.
 *
 * VS Code's decorations cannot hold a line break, so that lines are joined by `↵`.
 */

import { type Disposable, Range, type TextEditor, ThemeColor, window } from 'vscode';
import { draftLine } from './draftLine';
import type { DraftParams } from './protocol';

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
        const { stable, guessed } = draftLine(draft);
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
