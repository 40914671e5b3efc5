--- The server: how it is started, for which buffers, and what happens when it ends.

local client_of = require('dlm_lsp.client')
local config = require('dlm_lsp.config')

local M = {}

local SIGTERM = 15

---@type table<integer, lsp.WorkspaceFolder[]> Roots that a client took on before it was initialized.
local untold = {}

--- Tell the server of the roots that its client has taken on meanwhile.
---@param client vim.lsp.Client
function M.tell_roots(client)
  local added = untold[client.id]
  if added then
    untold[client.id] = nil
    client_of.notify(client, 'workspace/didChangeWorkspaceFolders', { event = { added = added, removed = {} } })
  end
end

---@param client vim.lsp.Client
---@param root string
local function take_root(client, root)
  local folder = { uri = vim.uri_from_fname(root), name = root }
  local folders = client.workspace_folders or {}
  local is_known = vim.iter(folders):any(function(each)
    return each.uri == folder.uri
  end)
  if is_known then
    return
  end
  client.workspace_folders = vim.list_extend(folders, { folder })
  untold[client.id] = vim.list_extend(untold[client.id] or {}, { folder })
  if client.initialized then
    M.tell_roots(client)
  end
end

--- `vim.lsp.Config.reuse_client`: one server, and so one copy of the weights, for the buffers of all projects.
---@param client vim.lsp.Client
---@param lsp_config vim.lsp.ClientConfig
---@return boolean
local function reuse(client, lsp_config)
  if client.name ~= lsp_config.name or client_of.call(client, 'is_stopped') then
    return false
  end
  if lsp_config.root_dir then
    take_root(client, lsp_config.root_dir)
  end
  return true
end

---@type table<string, true> What was said since the start or `:DlmRestart`.
local said = {}

--- Say something that would otherwise be said again for every buffer.
---@param message string
local function say_once(message)
  if not said[message] then
    said[message] = true
    vim.notify('dlm-lsp: ' .. message, vim.log.levels.WARN)
  end
end

--- The command that starts the server: what the user gave to `vim.lsp.config`, or else the option `cmd`.
---@return string[]? command nil for a function of the user's, which is taken to work.
function M.command()
  local lsp_config = vim.lsp.config and vim.lsp.config[client_of.NAME] or M.lsp_config()
  if lsp_config.cmd == require('dlm_lsp.transport').start then
    return config.current.cmd
  end
  return type(lsp_config.cmd) == 'table' and lsp_config.cmd or nil
end

--- Whether the server can be started. If not, that is said: Neovim itself would only say that it failed.
---@return boolean
local function is_there()
  local command = M.command()
  if not command or vim.fn.executable(command[1]) == 1 then
    return true
  end
  local problem = command[1]:find('[/\\]') and 'cannot be run' or "is not on Neovim's PATH"
  say_once(('"%s" %s; :checkhealth dlm_lsp says what to do'):format(command[1], problem))
  return false
end

--- Whether it was not switched off by `vim.lsp.enable('dlm_lsp', false)`.
---@return boolean
local function is_wanted()
  return not vim.lsp.is_enabled or vim.lsp.is_enabled(client_of.NAME)
end

--- `vim.lsp.Config.root_dir`: the root of a buffer's project, once the buffer is a file's. To a server, all buffers
--- without a name would be one document, into which it would put the edits of each.
---@param buf integer
---@param use fun(root?: string)
local function find_root(buf, use)
  local lsp_config = vim.lsp.config and vim.lsp.config[client_of.NAME] or config.current
  if vim.bo[buf].buftype ~= '' or not is_there() then
    return
  end
  if vim.api.nvim_buf_get_name(buf) ~= '' then
    return use(vim.fs.root(buf, lsp_config.root_markers))
  end
  local filetype = vim.bo[buf].filetype
  -- For all buffers, because those of one go when `:write` gives it its name.
  vim.api.nvim_create_autocmd({ 'BufFilePost', 'BufWritePost' }, {
    group = vim.api.nvim_create_augroup(('dlm_lsp_name_%d'):format(buf), {}),
    callback = function(event)
      if event.buf == buf and vim.api.nvim_buf_get_name(buf) ~= '' then
        if is_wanted() and vim.bo[buf].filetype == filetype then
          find_root(buf, use)
        end
        return true
      end
    end,
  })
end

---@type table<integer, true> The clients that `:DlmRestart` has stopped.
local is_replaced = {}

---@type boolean Whether a server that had ended was started again, and `:DlmRestart` not called since.
local is_revived = false

--- Start the server for the buffers that are loaded, where it is switched on.
local function attach_all()
  if vim.lsp.enable then
    return vim.lsp.enable(client_of.NAME)
  end
  for _, buf in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(buf) and vim.tbl_contains(config.current.filetypes, vim.bo[buf].filetype) then
      M.start(buf)
    end
  end
end

--- Say that the server has ended, and start it again, once: it might fail for ever.
local function revive()
  local outcome = is_revived and ':DlmRestart starts it again' or 'it is being restarted'
  vim.notify(('dlm-lsp: the server ended unexpectedly; %s'):format(outcome), vim.log.levels.WARN)
  if not is_revived then
    is_revived = true
    attach_all()
  end
end

--- Say that the server cannot start; another try would end the same way.
local function report_failure()
  local advice = ':checkhealth dlm_lsp says what to do, and :DlmRestart tries again'
  say_once('the server ended while starting; ' .. advice)
end

--- `vim.lsp.Config.on_exit`, for a server that nobody has stopped.
---@param code integer
---@param signal integer
---@param client_id integer
local function on_exit(code, signal, client_id)
  -- Neovim forgets the client right after this.
  local client = vim.lsp.get_client_by_id(client_id)
  local is_started = client ~= nil and client.initialized
  vim.schedule(function()
    local is_stopped = is_replaced[client_id] or (is_started and code == 0 and (signal == 0 or signal == SIGTERM))
    if is_wanted() and not is_stopped and vim.v.exiting == vim.NIL then
      local follow = is_started and revive or report_failure
      follow()
    end
  end)
end

--- The configuration that `vim.lsp.enable` and `vim.lsp.start` take.
---@return vim.lsp.Config
function M.lsp_config()
  return {
    name = client_of.NAME,
    cmd = require('dlm_lsp.transport').start,
    filetypes = config.current.filetypes,
    root_markers = config.current.root_markers,
    root_dir = find_root,
    reuse_client = reuse,
    on_exit = on_exit,
    init_options = config.current.settings,
    settings = { ['dlm-lsp'] = config.current.settings },
    -- Neovim before 0.12 does not announce it, and then no server may offer it.
    capabilities = { textDocument = { inlineCompletion = { dynamicRegistration = false } } },
    handlers = {
      ['dlmLsp/status'] = require('dlm_lsp.status').on_status,
      ['dlmLsp/draft'] = require('dlm_lsp.drafts').on_draft,
    },
  }
end

--- What `vim.lsp.enable` does for a buffer in Neovim 0.11 and later.
---@param buf integer
function M.start(buf)
  find_root(buf, function(root)
    local lsp_config = M.lsp_config()
    lsp_config.root_dir = root
    local defaults = vim.lsp.protocol.make_client_capabilities()
    lsp_config.capabilities = vim.tbl_deep_extend('force', defaults, lsp_config.capabilities)
    vim.lsp.start(lsp_config, { bufnr = buf, reuse_client = reuse })
  end)
end

--- Start the server for every buffer of its file types, now and from now on.
function M.enable()
  if vim.lsp.enable then
    vim.lsp.config(client_of.NAME, M.lsp_config())
  else
    vim.api.nvim_create_autocmd('FileType', {
      group = vim.api.nvim_create_augroup('dlm_lsp_start', {}),
      pattern = config.current.filetypes,
      callback = function(event)
        M.start(event.buf)
      end,
    })
  end
  attach_all()
end

--- Restart the server, whether it runs or not. It is not asked to stop first, because it may not answer any more.
function M.restart()
  is_revived, said = false, {}
  if not is_wanted() then
    return say_once("the server is not enabled; :lua vim.lsp.enable('dlm_lsp') enables it")
  end
  if is_there() then
    for _, client in ipairs(vim.lsp.get_clients({ name = client_of.NAME, _uninitialized = true })) do
      is_replaced[client.id] = true
      client_of.call(client, 'stop', true)
    end
    attach_all()
  end
end

return M
