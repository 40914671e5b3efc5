/**
 * Fills that ghost text cannot show: a body over several lines, a placeholder, a selection. One at a time; each is
 * previewed, and applied as one step of undo.
 */

import {
    CancellationTokenSource,
    commands,
    type Disposable,
    ProgressLocation,
    Range,
    Selection,
    type TextDocument,
    type TextEditor,
    window,
    workspace,
    WorkspaceEdit,
} from 'vscode';
import { LSPErrorCodes, ResponseError } from 'vscode-languageclient/node';
import type { Daemon, Fill } from './client';
import type { FillPreview } from './preview';
import type { DecodeOverrides, DraftParams } from './protocol';
import { configuration } from './settings';

/** For another attempt: without a temperature the most probable tokens are taken, whatever the seed. */
const ANOTHER_TEMPERATURE = 0.8;

interface Run {
    readonly document: TextDocument;
    readonly range: Range;
    readonly attempt: number;
    readonly cancellation: CancellationTokenSource;
    report: (message: string) => void;
    fill: Fill | undefined;
}

export class Fills implements Disposable {
    private readonly listener: Disposable;
    private run: Run | undefined;
    private lastStep: Promise<void> = Promise.resolve();

    constructor(
        private readonly daemon: Daemon,
        private readonly preview: FillPreview,
    ) {
        this.listener = preview.onDidClose(() => void this.discard());
    }

    /** Whether the server is at work on a fill of this document. */
    isFilling(document: TextDocument): boolean {
        return this.run?.document === document && this.run.fill === undefined;
    }

    /** Fills the hole at the cursor; in a function without a body, that is the whole body. */
    async fillAtCursor({ document, selection }: TextEditor): Promise<void> {
        await this.fill(document, new Range(selection.active, selection.active));
    }

    async refillSelection({ document, selection }: TextEditor): Promise<void> {
        if (selection.isEmpty) {
            void window.showInformationMessage('Select the code to rewrite.');
        } else {
            await this.fill(document, selection);
        }
    }

    /** Fills a range, or the hole at an empty range; replaces a fill that has not been applied. */
    async fill(document: TextDocument, range: Range, attempt = 0): Promise<void> {
        const cancellation = new CancellationTokenSource();
        const run: Run = { document, range, attempt, cancellation, report: () => undefined, fill: undefined };
        await this.replaceRun(run);
        if (this.run !== run) {
            return;
        }
        const asked = document.version;
        try {
            run.fill = await this.ask(run);
        } catch (error) {
            await this.giveUp(run, reasonOf(error, document.version !== asked));
            return;
        }
        if (this.run === run) {
            await this.offer(document, run.fill);
        }
    }

    /** Gets another text for the same place. */
    async another(): Promise<void> {
        if (this.run) {
            await this.fill(this.run.document, this.run.range, this.run.attempt + 1);
        }
    }

    /** Puts the fill into the document, unless that was edited meanwhile. */
    async apply(): Promise<void> {
        const { document, fill } = this.run ?? {};
        if (!document || !fill) {
            return;
        }
        if (document.version === fill.version) {
            await this.discard();
        }
        const edit = new WorkspaceEdit();
        edit.replace(document.uri, fill.range, fill.text);
        // Asked again, because the document may have changed while the diff closed. What is typed from here on makes
        // VS Code itself refuse the edit.
        if (document.version !== fill.version || !(await workspace.applyEdit(edit))) {
            void window.showWarningMessage('The document has changed since it was filled. Fill it again.');
            return;
        }
        const end = document.positionAt(document.offsetAt(fill.range.start) + fill.text.length);
        await window.showTextDocument(document, { selection: new Selection(end, end) });
    }

    /** Stops what runs, and closes the diff. */
    async discard(): Promise<void> {
        await this.replaceRun(undefined);
    }

    showDraft(draft: DraftParams): void {
        const run = this.run;
        // A finished fill must not be replaced by drafts of ghost text in the same document.
        if (run?.fill !== undefined) {
            return;
        }
        if (draft.uri === run?.document.uri.toString() && draft.version === run.document.version) {
            const { start, end } = draft.range;
            this.preview.update(run.document, new Range(start.line, start.character, end.line, end.character), draft.text);
            run.report(`step ${draft.step.toString()} of at most ${draft.numSteps.toString()}`);
        }
    }

    dispose(): void {
        this.listener.dispose();
        this.run?.cancellation.dispose();
    }

    /** Ends the run at once, and shows another, or none, in its place. */
    private replaceRun(run: Run | undefined): Promise<void> {
        this.run?.cancellation.cancel();
        this.run?.cancellation.dispose();
        this.run = run;
        const show = async (): Promise<void> => {
            if (this.run === run) {
                await this.showState(run && 'running');
                await (run && isPreviewed() ? this.preview.open(run.document, run.range) : this.preview.close());
            }
        };
        // In turn: a diff that is still being opened cannot be closed yet.
        this.lastStep = this.lastStep.then(show, show);
        return this.lastStep;
    }

    private async ask(run: Run): Promise<Fill> {
        const options = { location: ProgressLocation.Notification, title: 'Filling', cancellable: true };
        return window.withProgress(options, (progress, token) => {
            run.report = (message) => progress.report({ message });
            token.onCancellationRequested(() => run.cancellation.cancel());
            return this.daemon.infillRange(run.document, run.range, overrides(run), run.cancellation.token);
        });
    }

    private async offer(document: TextDocument, fill: Fill): Promise<void> {
        if (isPreviewed()) {
            this.preview.update(document, fill.range, fill.text);
            await this.showState('ready');
        } else {
            await this.apply();
        }
    }

    private async giveUp(run: Run, reason: string): Promise<void> {
        const wasCancelled = run.cancellation.token.isCancellationRequested;
        if (this.run === run) {
            await this.discard();
        }
        if (!wasCancelled) {
            void window.showWarningMessage(`Nothing was filled: ${reason}`);
        }
    }

    private async showState(state: 'running' | 'ready' | undefined): Promise<void> {
        await commands.executeCommand('setContext', 'dlm-lsp.fill', state);
    }
}

function reasonOf(error: unknown, wasEdited: boolean): string {
    // Not cancelled here: the server ends a fill when its document is edited, and when settings change.
    if (error instanceof ResponseError && error.code === LSPErrorCodes.RequestCancelled) {
        return wasEdited
            ? 'the document was edited in the meantime.'
            : 'the server stopped it because settings changed.';
    }
    return error instanceof Error ? error.message : String(error);
}

function isPreviewed(): boolean {
    return configuration().get('editor.previewFills', true);
}

function overrides({ attempt }: Run): DecodeOverrides {
    return attempt === 0 ? {} : { seed: attempt, temperature: ANOTHER_TEMPERATURE };
}
