/**
 * The daemon as a language client: found, started, stopped, and asked. Draws nothing.
 */

import { homedir } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import {
    type CancellationToken,
    commands,
    type Disposable,
    EventEmitter,
    type ExtensionContext,
    type LogOutputChannel,
    type Range,
    type TextDocument,
} from 'vscode';
import {
    DidChangeConfigurationNotification,
    ExecuteCommandRequest,
    LanguageClient,
    type LanguageClientOptions,
    type Middleware,
    RevealOutputChannelOn,
    State,
    type StaticFeature,
} from 'vscode-languageclient/node';
import { selectedInterpreter } from './interpreter';
import {
    type DecodeOverrides,
    DraftNotification,
    type DraftParams,
    INFILL_RANGE,
    type InfillRangeResult,
    StatusNotification,
    type StatusParams,
} from './protocol';
import { findServer, isSameCommand, type Places, type ServerCommand, userToolFolder } from './serverLookup';
import { chosenOptions, configuredList } from './settings';

const START_PATIENCE_MS = 10_000;

/** Tells the server to leave applying a fill to this client, so that a preview can come first. */
const FILLS_ARE_APPLIED_HERE: StaticFeature = {
    fillClientCapabilities: (capabilities) => {
        capabilities.workspace = { ...capabilities.workspace, applyEdit: false };
    },
    initialize: () => undefined,
    getState: () => ({ kind: 'static' }),
    clear: () => undefined,
};

/** The range that a fill replaces, and its text. */
export interface Fill {
    readonly range: Range;
    readonly text: string;
    /** The version of the document that the range belongs to. */
    readonly version: number;
}

export class Daemon implements Disposable {
    private readonly statusChanged = new EventEmitter<StatusParams>();
    private readonly draftArrived = new EventEmitter<DraftParams>();
    private readonly serverMissed = new EventEmitter<void>();
    private client: LanguageClient | undefined;
    /** What was found when it was looked for last. */
    private server: ServerCommand | undefined;
    private lastStep: Promise<void> = Promise.resolve();

    readonly onStatus = this.statusChanged.event;
    readonly onDraft = this.draftArrived.event;
    /** No server was found in any place. */
    readonly onMissing = this.serverMissed.event;

    constructor(
        private readonly context: ExtensionContext,
        private readonly output: LogOutputChannel,
        private readonly middleware: Middleware,
    ) {}

    /** Starts the server; one that runs is stopped first. */
    restart(): Promise<void> {
        return this.inTurn(() => this.startAnew());
    }

    /** Looks for the server again. The one that runs, and its loaded model, stay if it would be started again. */
    lookAgain(): Promise<void> {
        return this.inTurn(async () => {
            if (!(await this.isUpToDate())) {
                await this.startAnew();
            }
        });
    }

    stop(): Promise<void> {
        return this.inTurn(() => this.stopClient());
    }

    /**
     * Gets the fill of a range, or of the hole at an empty range; the document is not touched.
     *
     * @throws An error whose message says why there is nothing, or a cancellation.
     */
    async infillRange(
        document: TextDocument,
        range: Range,
        overrides: DecodeOverrides,
        token: CancellationToken,
    ): Promise<Fill> {
        const client = this.client;
        if (!client?.isRunning()) {
            throw new Error('the dlm-lsp server is not running');
        }
        const { code2ProtocolConverter: toServer, protocol2CodeConverter: fromServer } = client;
        const params = {
            command: INFILL_RANGE,
            arguments: [toServer.asUri(document.uri), toServer.asRange(range), overrides],
        };
        const asked = document.version;
        const result = (await client.sendRequest(ExecuteCommandRequest.type, params, token)) as InfillRangeResult;
        return { range: fromServer.asRange(result.range), text: result.text, version: result.version ?? asked };
    }

    dispose(): void {
        this.statusChanged.dispose();
        this.draftArrived.dispose();
        this.serverMissed.dispose();
    }

    /** Starting and stopping never overlap, however quickly settings and interpreters change. */
    private inTurn(step: () => Promise<void>): Promise<void> {
        this.lastStep = this.lastStep.then(step, step);
        return this.lastStep;
    }

    private async isUpToDate(): Promise<boolean> {
        try {
            const server = await findServer(await placesToLook());
            const state = this.client?.state;
            return isSameCommand(server, this.server) && state !== State.Stopped && state !== State.StartFailed;
        } catch {
            return false;
        }
    }

    private async startAnew(): Promise<void> {
        await this.stopClient();
        try {
            await this.startClient();
        } catch (error) {
            this.reportFailure(error);
        }
    }

    private async startClient(): Promise<void> {
        this.statusChanged.fire({ state: 'busy', message: 'starting the server' });
        this.server = undefined;
        const places = await placesToLook();
        const server = await findServer(places);
        this.server = server;
        if (server === undefined) {
            this.output.info(whereItWasLookedFor(places));
            this.statusChanged.fire({ state: 'error', message: 'the dlm-lsp server was not found' });
            this.serverMissed.fire();
            return;
        }
        this.output.info(`server found through ${server.source}: ${[server.command, ...server.args].join(' ')}`);
        const client = this.createClient(server);
        this.client = client;
        const started = client.start().catch((error: unknown) => {
            if (client === this.client) {
                this.reportFailure(error);
            }
        });
        // A command that never answers must not keep another one from being started in its place.
        await Promise.race([started, setTimeout(START_PATIENCE_MS, undefined, { ref: false })]);
    }

    private async stopClient(): Promise<void> {
        const client = this.client;
        this.client = undefined;
        this.setRunning(false);
        try {
            await client?.dispose();
        } catch (error) {
            // A server that hangs does not answer in time, and is killed; another one has to start all the same.
            this.output.warn(`the server did not stop: ${String(error)}`);
        }
    }

    private reportFailure(error: unknown): void {
        const reason = error instanceof Error ? error.message : String(error);
        this.statusChanged.fire({ state: 'error', message: `the server did not start: ${reason}` });
    }

    private createClient(server: ServerCommand): LanguageClient {
        // Not in the workspace: a server must not load files of a project from its working directory.
        const executable = { command: server.command, args: [...server.args], options: { cwd: homedir() } };
        const client = new LanguageClient('dlm-lsp', executable, this.clientOptions());
        client.registerFeature(FILLS_ARE_APPLIED_HERE);
        client.onNotification(StatusNotification, (status) => this.statusChanged.fire(status));
        client.onNotification(DraftNotification, (draft) => this.draftArrived.fire(draft));
        client.onDidChangeState(({ newState }) => this.reportState(client, newState, server));
        return client;
    }

    private clientOptions(): LanguageClientOptions {
        return {
            // Every language: the server decides which ones can be filled, and says why another one cannot.
            documentSelector: [{ scheme: 'file' }, { scheme: 'untitled' }, { notebook: '*' }],
            initializationOptions: { drafts: true },
            outputChannel: this.output,
            // Errors are in the status; nothing may pop up while the user types.
            revealOutputChannelOn: RevealOutputChannelOn.Never,
            middleware: {
                ...this.middleware,
                workspace: {
                    configuration: () => [chosenOptions(this.context.extension)],
                    // Without settings in the notification, the server asks for its section.
                    didChangeConfiguration: async () => {
                        const changed = { settings: null };
                        const sent = this.client?.sendNotification(DidChangeConfigurationNotification.type, changed);
                        // The change may be what stops the server at this moment.
                        await sent?.catch(() => undefined);
                    },
                },
            },
        };
    }

    private reportState(client: LanguageClient, state: State, server: ServerCommand): void {
        if (client !== this.client) {
            return;
        }
        this.setRunning(state === State.Running);
        if (state === State.Running) {
            const version = client.initializeResult?.serverInfo?.version ?? 'of unknown version';
            this.statusChanged.fire({ state: 'normal', message: `server ${version}, from ${server.source}` });
        } else if (state === State.Stopped) {
            this.statusChanged.fire({ state: 'error', message: 'the server has stopped; Show Output says why' });
        }
    }

    /** The walkthrough ticks off a step when this is set. */
    private setRunning(isRunning: boolean): void {
        void commands.executeCommand('setContext', 'dlm-lsp.running', isRunning);
    }
}

/** @throws An error if a setting is of the wrong type. */
async function placesToLook(): Promise<Places> {
    return {
        configured: configuredList('server.command'),
        options: configuredList('server.args'),
        interpreter: await selectedInterpreter(),
        searchPath: process.env.PATH ?? '',
        toolFolder: userToolFolder(),
    };
}

/** The places that were searched, because the `PATH` of VS Code is often not that of a terminal. */
function whereItWasLookedFor({ configured, interpreter, searchPath, toolFolder }: Places): string {
    if (configured.length > 0) {
        return `looked for the command in the setting dlm-lsp.server.command: ${configured.join(' ')}`;
    }
    const beside = interpreter ?? '(none is selected)';
    return `looked beside the interpreter ${beside}, on PATH ${searchPath}, in ${toolFolder}, and asked uv`;
}
