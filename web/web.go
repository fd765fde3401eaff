// Package web is the HTTP plumbing of the portal and the partner API: the server and its time limits, security headers,
// request log, sessions, OpenID Connect, and writing pages. It owns the table sessions and everything about cookies and
// login tokens; nothing else reads or sets them. It knows nothing of the registry, and of our other packages it may
// import only web/i18n.
package web
