/**
 * The settings of this extension: names without a dot are the server's options, the others are the client's own.
 */

import { ConfigurationTarget, type Extension, type WorkspaceConfiguration, workspace } from 'vscode';
import { SECTION } from './protocol';

/** The server's names of languages that have another name in VS Code. */
const SERVER_LANGUAGES: Readonly<Record<string, string>> = {
    dockercompose: 'yaml',
    'github-actions-workflow': 'yaml',
    javascriptreact: 'javascript',
    jsonc: 'json',
    shellscript: 'bash',
    typescriptreact: 'tsx',
};

interface Manifest {
    readonly contributes: { readonly configuration: { readonly properties: Readonly<Record<string, unknown>> } };
}

export function configuration(): WorkspaceConfiguration {
    return workspace.getConfiguration(SECTION);
}

/**
 * A setting that is a list of strings, such as the server's command with its arguments; empty if it is not set.
 *
 * @throws An error if it is something else: VS Code marks a setting of the wrong type, and passes it on as it is.
 */
export function configuredList(name: 'server.command' | 'server.args'): readonly string[] {
    const list = configuration().get<unknown>(name) ?? [];
    if (!Array.isArray(list) || !list.every((each) => typeof each === 'string')) {
        throw new Error(`${SECTION}.${name} is not a list of strings`);
    }
    return list;
}

/** The server's options that are set. Defaults are left out, because they would override the user's config.toml. */
export function chosenOptions(extension: Extension<unknown>): Record<string, unknown> {
    const manifest = extension.packageJSON as Manifest;
    const names = Object.keys(manifest.contributes.configuration.properties).map((key) => key.slice(SECTION.length + 1));
    const chosen = names.filter((name) => !name.includes('.') && isChosen(name));
    return Object.fromEntries(chosen.map((name) => [name, configuration().get(name)]));
}

/** Whether an option is set; if not, the server may take it from its own configuration file. */
export function isChosen(name: string): boolean {
    const found = configuration().inspect(name);
    return [found?.globalValue, found?.workspaceValue, found?.workspaceFolderValue].some((value) => value !== undefined);
}

/** Sets an option for the workspace if it is set there, because that overrides the user's; otherwise for the user. */
export async function set(name: string, value: unknown): Promise<void> {
    const isOfWorkspace = configuration().inspect(name)?.workspaceValue !== undefined;
    const target = isOfWorkspace ? ConfigurationTarget.Workspace : ConfigurationTarget.Global;
    await configuration().update(name, value, target);
}

/** Switches the language off, or on again; returns whether it is on now. */
export async function toggleLanguage(languageId: string): Promise<boolean> {
    const nameOf = (id: string) => SERVER_LANGUAGES[id] ?? id;
    const language = nameOf(languageId);
    const disabled = configuration().get<readonly string[]>('disabledLanguages', []);
    const others = disabled.filter((each) => nameOf(each) !== language);
    const isOn = others.length < disabled.length;
    await set('disabledLanguages', isOn ? others : [...others, language]);
    return isOn;
}

/** Switches this workspace off, or on again; returns whether it is on now. */
export async function toggleWorkspace(): Promise<boolean> {
    const isOn = !configuration().get('enabled', true);
    const target = workspace.workspaceFolders ? ConfigurationTarget.Workspace : ConfigurationTarget.Global;
    await configuration().update('enabled', isOn, target);
    return isOn;
}
