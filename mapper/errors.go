package mapper

import "errors"

// Errors of a whole batch that callers tell apart; any other is a fault of the service.
var (
	// ErrDuplicateMessage says that the partner used this message id before. Nothing was done.
	ErrDuplicateMessage = errors.New("message id was used before")
	// ErrNoActor refuses a call that does not say who asks, or in which message.
	ErrNoActor = errors.New("no actor")
)
