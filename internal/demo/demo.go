// Package demo owns everything that makes `spar demo` a complete product on an empty machine: an OpenID provider with
// fictional people, a fictional directory of banks and wallets, and sample partners with their keys on disk. The provider
// is a real one: it checks what a national one checks, only that nobody has to prove who they are. Nothing of a real
// installation imports this package but the demo command.
package demo
