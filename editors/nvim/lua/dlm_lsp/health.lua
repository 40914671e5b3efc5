--- `:checkhealth dlm_lsp`

local client_of = require('dlm_lsp.client')
local config = require('dlm_lsp.config')
local status = require('dlm_lsp.status')

local M = {}

local health = vim.health

local function check_neovim()
  local version = tostring(vim.version())
  if vim.fn.has('nvim-0.10') == 0 then
    return health.error(('Neovim %s is too old: it has no inline virtual text; you need 0.10 or newer'):format(version))
  end
  health.ok('Neovim ' .. version)
  if config.is_native() then
    health.ok('ghost text is drawn by vim.lsp.inline_completion')
  elseif config.current.surface == 'native' then
    health.warn('surface is native, but this Neovim has no vim.lsp.inline_completion; the plugin draws instead')
  else
    health.ok('ghost text is drawn by this plugin')
  end
end

local function check_server()
  local command = require('dlm_lsp.server').command()
  if not command then
    return health.info('the server is started by the function that your configuration passes to vim.lsp.config')
  end
  local path = vim.fn.exepath(command[1])
  if path == '' then
    return health.error(('%s is not executable'):format(command[1]), {
      'install it in a folder on your $PATH: in a checkout of the project, run pip install -c constraints.txt .',
      "or pass its path: require('dlm_lsp').setup { cmd = { '/path/to/dlm-lsp', 'serve' } }",
    })
  end
  health.ok('server: ' .. path)
  local ok, process = pcall(vim.system, { command[1], '--version' }, { text = true })
  local result = ok and process:wait(10000)
  if result and result.code == 0 then
    health.ok('version: ' .. vim.trim(result.stdout))
  else
    health.warn(('%s --version failed, or did not answer in time'):format(command[1]))
  end
  health.info(('to check device, model and grammars, and to time one fill, run: %s doctor'):format(command[1]))
end

local function check_clients()
  local clients = vim.lsp.get_clients({ name = client_of.NAME })
  if #clients == 0 then
    return health.warn('no server is running', {
      ('open a file of one of these types: %s'):format(table.concat(config.current.filetypes, ', ')),
      "call require('dlm_lsp').setup() or vim.lsp.enable('dlm_lsp') in your configuration",
      'if the server has ended, restart it with :DlmRestart',
    })
  end
  for _, client in ipairs(clients) do
    local bufs = vim.tbl_keys(client.attached_buffers)
    health.ok(('client %d: %d buffer(s), %s'):format(client.id, #bufs, client.offset_encoding))
    local now = status.of(bufs[1])
    health.info(('status: %s %s'):format(now.state, now.message))
  end
end

local function check_options()
  local problems = vim.list_extend(vim.deepcopy(config.problems), status.option_problems)
  for _, problem in ipairs(problems) do
    health.warn(problem)
  end
  if #problems == 0 then
    health.ok('all options are valid')
  end
end

function M.check()
  health.start('Neovim')
  check_neovim()
  health.start('Server')
  check_server()
  health.start('Clients')
  check_clients()
  health.start('Options')
  check_options()
end

return M
