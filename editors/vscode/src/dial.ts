/**
 * The dial in the status bar: how many denoise steps a fill may take, and how long. Writes settings.
 */

import {
    type Disposable,
    type QuickPickItem,
    QuickPickItemKind,
    StatusBarAlignment,
    window,
    workspace,
} from 'vscode';
import { SECTION } from './protocol';
import { configuration, isChosen, set } from './settings';

const STEPS = [4, 8, 16, 32, 64];
const DEADLINES_MS = [null, 500, 1000, 2000, 5000, 10_000];

interface Choice extends QuickPickItem {
    readonly option?: 'numSteps' | 'deadlineMs';
    readonly value?: number | null;
}

export class Dial implements Disposable {
    private readonly item = window.createStatusBarItem('dlm-lsp.dial', StatusBarAlignment.Right, 99);
    private readonly listener: Disposable;

    constructor() {
        this.item.name = 'dlm-lsp: steps and deadline';
        this.item.command = 'dlm-lsp.turnDial';
        this.item.tooltip = 'dlm-lsp: balance quality and latency';
        this.listener = workspace.onDidChangeConfiguration((change) => {
            if (change.affectsConfiguration(SECTION)) {
                this.render();
            }
        });
        this.render();
        this.item.show();
    }

    /** Asks for steps or a deadline, and stores the answer in the settings. */
    async turn(): Promise<void> {
        const chosen = await window.showQuickPick(choices(), {
            title: 'dlm-lsp: how long may a fill take?',
            placeHolder: 'More steps give better text; at a deadline, you get the best draft so far',
        });
        if (chosen?.option) {
            await set(chosen.option, chosen.value);
        }
    }

    dispose(): void {
        this.item.dispose();
        this.listener.dispose();
    }

    private render(): void {
        const { numSteps, deadlineMs } = current();
        const steps = isChosen('numSteps') ? `${numSteps.toString()} steps` : 'default steps';
        this.item.text = `$(dashboard) ${steps}${deadlineMs === null ? '' : ` ≤ ${duration(deadlineMs)}`}`;
    }
}

function choices(): Choice[] {
    const { numSteps, deadlineMs } = current();
    return [
        { label: 'Maximum denoise steps', kind: QuickPickItemKind.Separator },
        ...STEPS.map((value): Choice => ({
            label: `${value.toString()} steps`,
            option: 'numSteps',
            value,
            ...(value === numSteps && { description: 'current' }),
        })),
        { label: 'Deadline', kind: QuickPickItemKind.Separator },
        ...DEADLINES_MS.map((value): Choice => ({
            label: value === null ? 'No deadline' : `At most ${duration(value)}`,
            option: 'deadlineMs',
            value,
            ...(value === deadlineMs && { description: 'current' }),
        })),
    ];
}

function current(): { numSteps: number; deadlineMs: number | null } {
    const settings = configuration();
    return { numSteps: settings.get('numSteps', 64), deadlineMs: settings.get<number | null>('deadlineMs', null) };
}

function duration(milliseconds: number): string {
    return `${(milliseconds / 1000).toString()} s`;
}
