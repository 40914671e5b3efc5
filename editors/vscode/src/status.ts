/**
 * The status bar item: the state of the daemon, and the reason when it shows nothing. The output channel logs both.
 */

import {
    type Disposable,
    type LogOutputChannel,
    MarkdownString,
    StatusBarAlignment,
    type TextDocument,
    ThemeColor,
    window,
} from 'vscode';
import type { DraftParams, StatusParams, StatusState } from './protocol';

const ICONS: Readonly<Record<StatusState, string>> = {
    normal: '$(sparkle)',
    busy: '$(loading~spin)',
    warning: '$(warning)',
    error: '$(error)',
    inactive: '$(circle-slash)',
};
const BACKGROUNDS: Readonly<Partial<Record<StatusState, ThemeColor>>> = {
    warning: new ThemeColor('statusBarItem.warningBackground'),
    error: new ThemeColor('statusBarItem.errorBackground'),
};
const MAX_REASON_CHARS = 60;

export class StatusItem implements Disposable {
    private readonly item = window.createStatusBarItem('dlm-lsp.status', StatusBarAlignment.Right, 100);
    private readonly listener: Disposable;
    private status: StatusParams = { state: 'busy', message: 'starting' };
    /** The document that an `inactive` status is about. */
    private subject: TextDocument | undefined;
    private progress = '';

    constructor(private readonly output: LogOutputChannel) {
        this.item.name = 'dlm-lsp';
        this.item.command = 'dlm-lsp.showMenu';
        this.listener = window.onDidChangeActiveTextEditor(() => this.render());
        this.render();
        this.item.show();
    }

    /** The status for the active document. */
    get current(): StatusParams {
        const isElsewhere = this.subject !== undefined && this.subject !== window.activeTextEditor?.document;
        return this.status.state === 'inactive' && isElsewhere ? { state: 'normal', message: '' } : this.status;
    }

    show(status: StatusParams): void {
        this.status = status;
        this.progress = '';
        this.subject = window.activeTextEditor?.document;
        if (status.state !== 'busy' && status.message !== '') {
            this.output.info(`${status.state}: ${status.message}`);
        }
        this.render();
    }

    /** The server does not repeat a status; the last one is then about the document that was answered last. */
    concerns(document: TextDocument): void {
        this.subject = document;
        this.render();
    }

    showStep({ step, numSteps }: DraftParams): void {
        if (this.status.state === 'busy') {
            this.progress = ` ${step.toString()}/${numSteps.toString()}`;
            this.render();
        }
    }

    dispose(): void {
        this.item.dispose();
        this.listener.dispose();
    }

    private render(): void {
        const { state, message } = this.current;
        const reason = state === 'normal' || state === 'busy' ? '' : `: ${clip(message)}`;
        this.item.text = `${ICONS[state]} dlm${this.progress}${reason}`;
        this.item.tooltip = new MarkdownString().appendText(`dlm-lsp, ${state}${message && `: ${message}`}`);
        this.item.accessibilityInformation = { label: `dlm-lsp ${state} ${message}` };
        this.item.backgroundColor = BACKGROUNDS[state];
    }
}

function clip(message: string): string {
    return message.length > MAX_REASON_CHARS ? `${message.slice(0, MAX_REASON_CHARS - 1)}…` : message;
}
