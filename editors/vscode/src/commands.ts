/**
 * The commands of the palette, the menu behind the status item.
 */

import {
    commands,
    type Disposable,
    type LogOutputChannel,
    type QuickPickItem,
    QuickPickItemKind,
    Range,
    Uri,
    window,
    workspace,
} from 'vscode';
import type { Range as LspRange } from 'vscode-languageclient/node';
import type { Daemon } from './client';
import type { Dial } from './dial';
import type { Fills } from './fills';
import type { GhostText } from './ghostText';
import { INFILL_RANGE } from './protocol';
import { toggleLanguage, toggleWorkspace } from './settings';
import type { StatusItem } from './status';

const WALKTHROUGH = 'dlm-lsp.dlm-lsp#start';

/** The parts that commands act on. */
export interface Parts {
    readonly daemon: Daemon;
    readonly dial: Dial;
    readonly fills: Fills;
    readonly ghostText: GhostText;
    readonly output: LogOutputChannel;
    readonly status: StatusItem;
}

interface MenuItem extends QuickPickItem {
    readonly run?: () => Thenable<unknown>;
}

export function registerCommands(parts: Parts): Disposable[] {
    const { daemon, dial, fills, ghostText, output } = parts;
    const actions: Readonly<Record<string, () => unknown>> = {
        fillFunction: () => window.activeTextEditor && fills.fillAtCursor(window.activeTextEditor),
        refillSelection: () => window.activeTextEditor && fills.refillSelection(window.activeTextEditor),
        applyFill: () => fills.apply(),
        discardFill: () => fills.discard(),
        anotherFill: () => fills.another(),
        acceptDraft: () => ghostText.acceptDraft(true),
        unacceptDraft: () => ghostText.acceptDraft(false),
        turnDial: () => dial.turn(),
        toggleLanguage: () => switchLanguage(),
        toggleWorkspace: () => switchWorkspace(),
        restartServer: () => daemon.restart(),
        showOutput: () => output.show(),
        showMenu: () => showMenu(parts),
        howToInstall: () => commands.executeCommand('workbench.action.openWalkthrough', WALKTHROUGH),
    };
    return Object.entries(actions).map(([name, action]) => commands.registerCommand(`dlm-lsp.${name}`, action));
}

/** The server's command for a fill, which a status may offer; here its fill is previewed. */
export async function runServerFill(fills: Fills, [uri, range]: readonly unknown[]): Promise<void> {
    const { start, end } = range as LspRange;
    const document = await workspace.openTextDocument(Uri.parse(uri as string, true));
    await fills.fill(document, new Range(start.line, start.character, end.line, end.character));
}

async function showMenu({ status }: Parts): Promise<void> {
    const { state, message, command } = status.current;
    const entry = (label: string, name: string): MenuItem => ({
        label,
        run: () => commands.executeCommand(`dlm-lsp.${name}`),
    });
    const offered: MenuItem[] = command
        ? [{ label: `$(lightbulb) ${command.title}`, run: () => offer(command.command, command.arguments ?? []) }]
        : [];
    const chosen = await window.showQuickPick<MenuItem>(
        [
            ...offered,
            entry('$(symbol-function) Fill Function at Cursor', 'fillFunction'),
            entry('$(dashboard) Set Steps and Deadline…', 'turnDial'),
            { label: '', kind: QuickPickItemKind.Separator },
            entry('$(code) Switch This Language Off or On', 'toggleLanguage'),
            entry('$(folder) Switch This Workspace Off or On', 'toggleWorkspace'),
            { label: '', kind: QuickPickItemKind.Separator },
            entry('$(debug-restart) Restart Server', 'restartServer'),
            entry('$(output) Show Output', 'showOutput'),
            entry('$(book) Get Started', 'howToInstall'),
        ],
        { title: `dlm-lsp, ${state}`, placeHolder: message },
    );
    await chosen?.run?.();
}

/** Only the server's own command; a status cannot name any other. */
async function offer(command: string, args: readonly unknown[]): Promise<void> {
    if (command === INFILL_RANGE) {
        await commands.executeCommand(command, ...args);
    }
}

async function switchLanguage(): Promise<void> {
    const language = window.activeTextEditor?.document.languageId;
    if (language !== undefined) {
        const isOn = await toggleLanguage(language);
        void window.showInformationMessage(`dlm-lsp is ${isOn ? 'on' : 'off'} for ${language}.`);
    }
}

async function switchWorkspace(): Promise<void> {
    const isOn = await toggleWorkspace();
    void window.showInformationMessage(`dlm-lsp is ${isOn ? 'on' : 'off'} in this workspace.`);
}
