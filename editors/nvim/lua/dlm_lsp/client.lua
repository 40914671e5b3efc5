--- The LSP client: how it is started, and requests in the calls of Neovim 0.10 and of later versions.

local config = require('dlm_lsp.config')
local positions = require('dlm_lsp.positions')

local M = {}

M.NAME = 'dlm_lsp'
M.INLINE_COMPLETION = 'textDocument/inlineCompletion'
M.CANCELLED = -32800

---@enum dlm_lsp.Trigger `InlineCompletionTriggerKind`
M.trigger = { INVOKED = 1, AUTOMATIC = 2 }

--- Call a method of a client; before 0.11 methods took no `self`.
---@param client vim.lsp.Client
---@param method string
local function call(client, method, ...)
  if vim.fn.has('nvim-0.11') == 1 then
    return client[method](client, ...)
  end
  return client[method](...)
end

--- The running client of a buffer; during a restart, the newer of the two.
---@param buf integer
---@return vim.lsp.Client?
function M.of(buf)
  return vim.iter(vim.lsp.get_clients({ name = M.NAME, bufnr = buf })):fold(nil, function(newest, client)
    return newest and newest.id > client.id and newest or client
  end)
end

--- The buffer of a URI, nil if there is none (any more). `vim.uri_to_bufnr` would make one then.
---@param uri string
---@return integer?
function M.buf_of(uri)
  local current = vim.api.nvim_get_current_buf()
  local bufs = vim.list_extend({ current }, vim.api.nvim_list_bufs())
  return vim.iter(bufs):find(function(buf)
    return vim.api.nvim_buf_is_loaded(buf) and vim.uri_from_bufnr(buf) == uri
  end)
end

---@param client vim.lsp.Client
---@param method string
---@param params table
---@param handler fun(err?: lsp.ResponseError, result: any)
---@param buf integer
---@return integer? id
function M.request(client, method, params, handler, buf)
  local _, id = call(client, 'request', method, params, handler, buf)
  return id
end

---@param client vim.lsp.Client
---@param method string
---@param params table
function M.notify(client, method, params)
  call(client, 'notify', method, params)
end

---@param client vim.lsp.Client
---@param command string
---@param arguments? any[]
---@param handler fun(err?: lsp.ResponseError, result: any)
---@param buf integer
---@return integer? id
function M.execute(client, command, arguments, handler, buf)
  local params = { command = command, arguments = arguments }
  return M.request(client, 'workspace/executeCommand', params, handler, buf)
end

---@param client vim.lsp.Client
---@param id? integer
function M.cancel(client, id)
  if id and client.requests[id] and client.requests[id].type == 'pending' then
    call(client, 'cancel_request', id)
  end
end

--- Cancel the pending inline completions of a buffer.
---@param client vim.lsp.Client
---@param buf integer
---@param except? integer Id of one that is not cancelled.
---@return integer newest Id of the newest cancelled one, or 0.
function M.cancel_inline_completions(client, buf, except)
  local newest = 0
  for id, request in pairs(client.requests) do
    if id ~= except and request.method == M.INLINE_COMPLETION and request.bufnr == buf then
      M.cancel(client, id)
      newest = math.max(newest, id)
    end
  end
  return newest
end

--- Parameters of an inline completion at the cursor.
---@param client vim.lsp.Client
---@param buf integer
---@param kind dlm_lsp.Trigger
function M.inline_completion_params(client, buf, kind)
  local row, col = positions.cursor()
  return {
    textDocument = vim.lsp.util.make_text_document_params(buf),
    position = positions.to_lsp(buf, row, col, client.offset_encoding),
    context = { triggerKind = kind },
  }
end

---@type table<integer, lsp.WorkspaceFolder[]> Roots that a client took on before it was initialized.
local untold = {}

--- Tell the server of the roots that its client has taken on meanwhile.
---@param client vim.lsp.Client
function M.tell_roots(client)
  local added = untold[client.id]
  if added then
    untold[client.id] = nil
    M.notify(client, 'workspace/didChangeWorkspaceFolders', { event = { added = added, removed = {} } })
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
  if client.name ~= lsp_config.name or call(client, 'is_stopped') then
    return false
  end
  if lsp_config.root_dir then
    take_root(client, lsp_config.root_dir)
  end
  return true
end

--- `vim.lsp.Config.root_dir`: the root of a buffer's project, once the buffer is a file's. To a server, all buffers
--- without a name would be one document, into which it would put the edits of each.
---@param buf integer
---@param use fun(root?: string)
local function find_root(buf, use)
  if vim.bo[buf].buftype ~= '' then
    return
  end
  if vim.api.nvim_buf_get_name(buf) ~= '' then
    local lsp_config = vim.lsp.config and vim.lsp.config[M.NAME] or config.current
    return use(vim.fs.root(buf, lsp_config.root_markers))
  end
  local filetype = vim.bo[buf].filetype
  -- For all buffers, because those of one go when `:write` gives it its name.
  vim.api.nvim_create_autocmd({ 'BufFilePost', 'BufWritePost' }, {
    group = vim.api.nvim_create_augroup(('dlm_lsp_name_%d'):format(buf), {}),
    callback = function(event)
      if event.buf == buf and vim.api.nvim_buf_get_name(buf) ~= '' then
        -- It may have been taken back meanwhile by `vim.lsp.enable('dlm_lsp', false)`.
        local is_wanted = not vim.lsp.is_enabled or vim.lsp.is_enabled(M.NAME)
        if is_wanted and vim.bo[buf].filetype == filetype then
          find_root(buf, use)
        end
        return true
      end
    end,
  })
end

--- The configuration that `vim.lsp.enable` and `vim.lsp.start` take.
---@return vim.lsp.Config
function M.lsp_config()
  return {
    name = M.NAME,
    cmd = require('dlm_lsp.transport').start,
    filetypes = config.current.filetypes,
    root_markers = config.current.root_markers,
    root_dir = find_root,
    reuse_client = reuse,
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
local function start(buf)
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
    vim.lsp.config(M.NAME, M.lsp_config())
    vim.lsp.enable(M.NAME)
    return
  end
  vim.api.nvim_create_autocmd('FileType', {
    group = vim.api.nvim_create_augroup('dlm_lsp_start', {}),
    pattern = config.current.filetypes,
    callback = function(event)
      start(event.buf)
    end,
  })
  for _, buf in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(buf) and vim.tbl_contains(config.current.filetypes, vim.bo[buf].filetype) then
      start(buf)
    end
  end
end

return M
