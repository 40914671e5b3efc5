/**
 * Start reading here: the parts of the extension, and the events that connect them.
 */

import { type ExtensionContext, window, workspace } from 'vscode';
import { Daemon } from './client';
import { registerCommands, runServerFill } from './commands';
import { Dial } from './dial';
import { DraftDecoration } from './drafts';
import { Fills } from './fills';
import { GhostText } from './ghostText';
import { onInterpreterChange } from './interpreter';
import { missingServerMessage } from './missingServer';
import { FillPreview } from './preview';
import { INFILL_RANGE, SECTION } from './protocol';
import { StatusItem } from './status';

let daemon: Daemon | undefined;

export async function activate(context: ExtensionContext): Promise<void> {
    const output = window.createOutputChannel('dlm-lsp', { log: true });
    const [status, dial, drafts, preview] = [new StatusItem(output), new Dial(), new DraftDecoration(), new FillPreview()];
    const ghostText: GhostText = new GhostText(drafts, (document) => fills.isFilling(document), status);
    const server: Daemon = new Daemon(context, output, {
        provideInlineCompletionItems: ghostText.provide,
        executeCommand: (command, args, next): unknown =>
            command === INFILL_RANGE ? runServerFill(fills, args as unknown[]) : next(command, args as unknown[]),
    });
    const fills: Fills = new Fills(server, preview);
    daemon = server;
    const tellMissing = missingServerMessage(context.globalState);
    context.subscriptions.push(
        ...[output, status, dial, drafts, preview, server, fills],
        ...registerCommands({ daemon: server, dial, fills, ghostText, output, status }),
        server.onStatus((each) => status.show(each)),
        server.onMissing(() => void tellMissing()),
        server.onDraft((draft) => {
            status.showStep(draft);
            ghostText.showDraft(draft);
            fills.showDraft(draft);
        }),
        window.onDidChangeTextEditorSelection(() => ghostText.forget()),
        workspace.onDidChangeConfiguration((change) => {
            if (change.affectsConfiguration(`${SECTION}.server`)) {
                void server.restart();
            }
        }),
        workspace.onDidGrantWorkspaceTrust(() => void server.lookAgain()),
    );
    const interpreterChange = await onInterpreterChange(() => void server.lookAgain());
    if (interpreterChange) {
        context.subscriptions.push(interpreterChange);
    }
    await server.restart();
}

export async function deactivate(): Promise<void> {
    await daemon?.stop();
}
