package keymgr

import "github.com/jmoiron/sqlx"

// Database is what a register is kept in.
func (r *Register) Database() *sqlx.DB { return r.db }

// ParseToken is the gate in front of the JOSE library.
func ParseToken(value string) error {
	_, err := parseToken([]string{value})
	return err
}

// Pending is how many counters wait in memory.
func (c *Calls) Pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.counters)
}
