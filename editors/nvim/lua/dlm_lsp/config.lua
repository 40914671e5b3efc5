--- The options with their defaults, and one sentence for each wrong one.

local M = {}

---@class dlm_lsp.Keymaps Insert mode; `false` leaves one out. Each key does what it did before when nothing is shown.
---@field accept string|false The whole suggestion.
---@field accept_word string|false Its next word.
---@field accept_line string|false Up to the end of its next line.
---@field next string|false The next candidate; asks for candidates when there is only one.
---@field prev string|false The one before.
---@field dismiss string|false Hide it, and stop what is running.
---@field invoke string|false Ask now, for several candidates.

---@class dlm_lsp.Config
---@field cmd string[] How the server is started.
---@field filetypes string[] Where it is started.
---@field root_markers string[] Files and folders that mark the root of a project.
---@field surface 'auto'|'native'|'own' Who draws ghost text: `vim.lsp.inline_completion`, or this plugin.
---@field keymaps dlm_lsp.Keymaps|false
---@field settings table<string, any> The server's options, in camelCase.

---@type dlm_lsp.Config
M.defaults = {
  cmd = { 'dlm-lsp', 'serve' },
  filetypes = {
    'python',
    'javascript',
    'javascriptreact',
    'typescript',
    'typescriptreact',
    'go',
    'rust',
    'java',
    'c',
    'cpp',
    'cs',
    'kotlin',
    'php',
    'scala',
    'swift',
    'sh',
    'bash',
    'lua',
    'ruby',
    'json',
    'jsonc',
    'yaml',
    'toml',
    'html',
    'css',
  },
  root_markers = { '.dlm-lsp.toml', 'pyproject.toml', 'package.json', 'go.mod', 'Cargo.toml', '.git' },
  surface = 'auto',
  keymaps = {
    accept = '<Tab>',
    accept_word = '<M-Right>',
    accept_line = '<M-C-Right>',
    next = '<M-]>',
    prev = '<M-[>',
    dismiss = '<C-]>',
    invoke = '<M-\\>',
  },
  settings = { drafts = true },
}

---@type dlm_lsp.Config
M.current = vim.deepcopy(M.defaults)

---@type string[] The mistakes in the options of `setup`.
M.problems = {}

---@param value any
local function is_list_of_texts(value)
  return type(value) == 'table'
    and #value > 0
    and vim.tbl_count(value) == #value
    and vim.iter(value):all(function(each)
      return type(each) == 'string'
    end)
end

---@param value any
local function is_keymaps(value)
  if type(value) ~= 'table' then
    return value == false
  end
  return vim.iter(value):all(function(name, lhs)
    return M.defaults.keymaps[name] ~= nil and (lhs == false or type(lhs) == 'string' and lhs ~= '')
  end)
end

---@type table<string, [fun(value: any): boolean, string]>
local rules = {
  cmd = { is_list_of_texts, 'a list of strings' },
  filetypes = { is_list_of_texts, 'a list of strings' },
  root_markers = { is_list_of_texts, 'a list of strings' },
  surface = {
    function(value)
      return vim.tbl_contains({ 'auto', 'native', 'own' }, value)
    end,
    "'auto', 'native' or 'own'",
  },
  keymaps = { is_keymaps, 'false, or a table with keys from ' .. table.concat(vim.tbl_keys(M.defaults.keymaps), ', ') },
  settings = {
    function(value)
      return type(value) == 'table'
    end,
    'a table',
  },
}

--- `vim.validate` as 0.11 spells it, and as 0.10 did.
---@param name string
---@param value any
---@param rule [fun(value: any): boolean, string]
local function validate(name, value, rule)
  if vim.fn.has('nvim-0.11') == 1 then
    vim.validate(name, value, rule[1], rule[2])
  else
    vim.validate({ [name] = { value, rule[1], rule[2] } })
  end
end

---@param name any
---@param value any
---@return string? problem
local function problem_with(name, value)
  if not rules[name] then
    return ('%s is not an option'):format(name)
  end
  if not pcall(validate, name, value, rules[name]) then
    return ('%s must be %s, got %s'):format(name, rules[name][2], vim.inspect(value))
  end
end

--- Take the user's options in place of the defaults; a wrong one is reported and keeps its default.
---@param options? table
function M.set(options)
  M.current, M.problems = vim.deepcopy(M.defaults), {}
  if options ~= nil and type(options) ~= 'table' then
    M.problems = { ('options must be a table, got %s'):format(type(options)) }
    options = nil
  end
  for name, value in pairs(options or {}) do
    local problem = problem_with(name, value)
    if problem then
      table.insert(M.problems, problem)
    elseif (name == 'keymaps' and value) or name == 'settings' then
      M.current[name] = vim.tbl_extend('force', M.defaults[name], value)
    else
      M.current[name] = value
    end
  end
  table.sort(M.problems)
end

--- Whether Neovim's own inline completion draws the automatic suggestions.
---@return boolean
function M.is_native()
  local surface = M.current.surface
  return surface ~= 'own' and vim.lsp.inline_completion ~= nil
end

return M
