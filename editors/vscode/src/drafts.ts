/**
 * A draft beside the cursor while it sharpens: one decoration, replaced in place, on one line. Its beginning,
 * as far as no later step changes it, is brighter than the rest.
 *
 * VS Code's decorations cannot hold a line break, so that lines are joined by `↵`.
 */

import { commands, type Disposable, Range, type TextEditor, ThemeColor, window } from 'vscode';
import { draftLine } from './draftLine';
import type { DraftParams } from './protocol';

const STABLE = new ThemeColor('descriptionForeground');
const GUESSED = new ThemeColor('editorGhostText.foreground');

/** What the user sees, for the keys in package.json: a draft, or one that is inserted once it is finished. */
type State = 'drawn' | 'accepted' | undefined;

export class DraftDecoration implements Disposable {
    private readonly type = window.createTextEditorDecorationType({});
    private editor: TextEditor | undefined;
    private state: State;

    /** Draws a draft at the cursor, in place of the one before; an accepted one is marked. */
    draw(editor: TextEditor, draft: DraftParams, isAccepted: boolean): void {
        if (this.editor !== editor) {
            this.clear();
        }
        this.editor = editor;
        const { stable, guessed } = draftLine(draft);
        const at = editor.selection.active;
        const before = { contentText: stable, color: STABLE };
        const after = { contentText: isAccepted ? `${guessed} ⇥` : guessed, color: GUESSED };
        editor.setDecorations(this.type, [{ range: new Range(at, at), renderOptions: { before, after } }]);
        this.setState(isAccepted ? 'accepted' : 'drawn');
    }

    clear(): void {
        this.editor?.setDecorations(this.type, []);
        this.editor = undefined;
        this.setState(undefined);
    }

    dispose(): void {
        this.type.dispose();
    }

    private setState(state: State): void {
        if (this.state !== state) {
            this.state = state;
            void commands.executeCommand('setContext', 'dlm-lsp.draft', state);
        }
    }
}
