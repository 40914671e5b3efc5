/** The settings that commands change. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toggleLanguage } from '../src/settings';
import { settings } from './fakes/vscode';

test('a language is switched on again, by whatever name it was switched off', async () => {
    settings.set('disabledLanguages', ['typescriptreact', 'go']);
    assert.equal(await toggleLanguage('typescriptreact'), true);
    assert.deepEqual(settings.get('disabledLanguages'), ['go']);
    assert.equal(await toggleLanguage('typescriptreact'), false);
    assert.deepEqual(settings.get('disabledLanguages'), ['go', 'tsx']);
});
