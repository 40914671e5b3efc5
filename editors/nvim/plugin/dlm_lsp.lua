--- Commands, and autocommands for buffers that the server is attached to. Loads no module before they run.

if vim.g.loaded_dlm_lsp then
  return
end
vim.g.loaded_dlm_lsp = true

vim.api.nvim_create_user_command('DlmFill', function(command)
  require('dlm_lsp.fill').at_cursor(command.args)
end, { nargs = '?', desc = 'Fill the hole at the cursor, such as a function body; takes a number of steps' })

vim.api.nvim_create_user_command('DlmRefill', function(command)
  require('dlm_lsp.fill').selection(command.line1, command.line2, command.args)
end, { nargs = '?', range = true, desc = 'Rewrite the selection; takes a number of steps' })

---@param name string
---@param what string
---@param switch fun(buf?: integer)
local function define_switch(name, what, switch)
  vim.api.nvim_create_user_command(name, function(command)
    switch(command.bang and vim.api.nvim_get_current_buf() or nil)
  end, { bang = true, desc = ('Switch suggestions and fills %s; with !, in this buffer'):format(what) })
end

vim.api.nvim_create_user_command('DlmRestart', function()
  require('dlm_lsp').restart()
end, { desc = 'Restart the server' })

define_switch('DlmDisable', 'off', function(buf)
  require('dlm_lsp').enable(false, buf)
end)
define_switch('DlmEnable', 'on', function(buf)
  require('dlm_lsp').enable(true, buf)
end)
define_switch('DlmToggle', 'off or on', function(buf)
  require('dlm_lsp').toggle(buf)
end)

local group = vim.api.nvim_create_augroup('dlm_lsp', {})

vim.api.nvim_create_autocmd('LspAttach', {
  group = group,
  callback = function(event)
    local client = vim.lsp.get_client_by_id(event.data.client_id)
    if client and client.name == 'dlm_lsp' then
      require('dlm_lsp').attach(client, event.buf)
    end
  end,
})

-- Neovim fires no InsertLeave for CTRL-C.
vim.api.nvim_create_autocmd('ModeChanged', {
  group = group,
  pattern = '[iR]*:n',
  callback = function(event)
    require('dlm_lsp').leave_insert(event.buf)
  end,
})

vim.api.nvim_create_autocmd('LspDetach', {
  group = group,
  callback = function(event)
    local client = vim.lsp.get_client_by_id(event.data.client_id)
    if client and client.name == 'dlm_lsp' then
      require('dlm_lsp').detach(client, event.buf)
    end
  end,
})
