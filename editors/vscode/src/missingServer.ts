/**
 * The message when there is no server.
 */

import { commands, type Memento, window } from 'vscode';

const IS_UNWANTED = 'missingServerIsKnown';
const ACTIONS: Readonly<Record<string, string>> = {
    'How to Install': 'howToInstall',
    'Show Output': 'showOutput',
};
const NEVER_AGAIN = "Don't Show Again";

/**
 * Says that no server was found, and offers help; once in a session, because the status item says it all the time.
 *
 * @param memory Where it is kept that the user does not want to be told.
 */
export function missingServerMessage(memory: Memento): () => Promise<void> {
    let wasShown = false;
    return async () => {
        if (wasShown || memory.get<boolean>(IS_UNWANTED, false)) {
            return;
        }
        wasShown = true;
        const message = "The dlm-lsp server was not found on the machine that has this window's files.";
        const chosen = (await window.showErrorMessage(message, ...Object.keys(ACTIONS), NEVER_AGAIN)) ?? '';
        if (chosen === NEVER_AGAIN) {
            await memory.update(IS_UNWANTED, true);
        } else if (ACTIONS[chosen] !== undefined) {
            await commands.executeCommand(`dlm-lsp.${ACTIONS[chosen]}`);
        }
    };
}
