package handlers

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"spar/web"
)

// LoginWindow is the time in which the requests of a client that begin or finish a login are counted.
const LoginWindow = 5 * time.Minute

// limited lets a client begin and finish only so many logins: each costs requests to the login provider, which answers
// many people besides.
func (l *Login) limited(c *gin.Context) {
	wait, ok := l.Limit.Take(web.ClientIP(c.Request.Context()))
	if ok {
		return
	}
	c.Abort()
	c.Header("Retry-After", seconds(wait))
	l.showError(c, http.StatusTooManyRequests, "login.too_many")
}

// seconds is a time to wait as the value of Retry-After.
func seconds(wait time.Duration) string { return strconv.Itoa(max(1, int(math.Ceil(wait.Seconds())))) }
