package keymgr

import "github.com/jmoiron/sqlx"

// Database is what a register is kept in.
func (r *Register) Database() *sqlx.DB { return r.db }
