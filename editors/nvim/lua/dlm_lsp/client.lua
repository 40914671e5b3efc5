--- The LSP client: its requests, in the calls of Neovim 0.10 and of later versions.

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
function M.call(client, method, ...)
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
  local _, id = M.call(client, 'request', method, params, handler, buf)
  return id
end

---@param client vim.lsp.Client
---@param method string
---@param params table
function M.notify(client, method, params)
  M.call(client, 'notify', method, params)
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
    M.call(client, 'cancel_request', id)
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

return M
