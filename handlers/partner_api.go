package handlers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"spar/internal/audit"
	"spar/internal/quota"
	"spar/keymgr"
	"spar/mapper"
	"spar/mapper/wire"
	"spar/web"
)

// PartnerAPI answers the calls of partner systems under /mapper. A call is read once, verified, and only what was
// verified is acted on.
type PartnerAPI struct {
	Mapper        mapper.Mapper
	History       History // for a portal that runs apart, as the next three
	Lookups       Lookups
	Holds         Holds
	Partners      Partners
	Reports       Reports
	Verifier      keymgr.Verifier
	Signer        Signer
	Quotas        *quota.Quotas
	Calls         *keymgr.Calls   // what became of calls, for the administrators; may be nil
	Refusals      *audit.Refusals // may be nil
	Metrics       *Metrics
	Log           *slog.Logger
	SenderID      string        // our own id in answers
	ReceiverIDs   []string      // our names in calls; empty: a call's receiver_id is not looked at
	MessageWindow time.Duration // how old a message may be
	MaxBatch      int           // items in one message; a partner's own limit may be lower
	Now           func() time.Time
}

// Signer signs what the registry answers, and publishes the keys that prove it.
type Signer interface {
	Sign(body []byte) (string, error)
	JWKS() ([]byte, error)
}

// maxBody bounds the body of a call; 10,000 items with everything the definition allows fit into it.
const maxBody = 16 << 20

// callTimeout bounds a call, so that a slow database cannot pile up callers.
const callTimeout = 30 * time.Second

// Routes adds the calls to a router.
func (p *PartnerAPI) Routes(r gin.IRouter) {
	for _, action := range []mapper.Action{mapper.Link, mapper.Update, mapper.Unlink, mapper.Resolve} {
		r.POST("/mapper/sync/"+string(action), func(c *gin.Context) {
			made := &attempt{action: action}
			err := p.call(c, made)
			if err != nil {
				p.fail(c, err)
			}
			p.record(c, made, err)
		})
	}
	for _, action := range []mapper.Action{wire.History, wire.Lookups, wire.Report} {
		r.POST("/mapper/sync/"+string(action), func(c *gin.Context) {
			if err := p.tellPortal(c, action); err != nil {
				p.fail(c, err)
			}
		})
	}
	r.POST("/mapper/sync/"+string(wire.Cancel), func(c *gin.Context) {
		if err := p.cancelHeld(c); err != nil {
			p.fail(c, err)
		}
	})
	r.GET("/mapper/limits", func(c *gin.Context) {
		if err := p.limits(c); err != nil {
			p.fail(c, err)
			p.record(c, &attempt{action: wire.Limits}, err)
		}
	})
}

// call is one synchronous request, in the order that security demands: size and type, syntax, signature, permission,
// header, budget, and only then the action.
func (p *PartnerAPI) call(c *gin.Context, made *attempt) error {
	ctx, cancel := context.WithTimeout(c.Request.Context(), callTimeout)
	defer cancel()
	body := buffers.Get().(*bytes.Buffer)
	defer recycle(body)
	if err := readBody(c, body); err != nil {
		return err
	}
	leave, err := takeRoom(ctx, body.Len())
	if err != nil {
		return err
	}
	defer leave()
	request, partner, err := p.authenticate(ctx, c, made.action, body.Bytes())
	made.partner = partner.ReferenceID
	if err != nil {
		return err
	}
	if made.fault = request.Check(p.Now(), p.MessageWindow, p.maxBatch(partner)); made.fault != nil {
		return p.answer(c, &wire.Response{Request: request, Fault: made.fault})
	}
	if err := p.pay(request, partner); err != nil {
		return err
	}
	results, err := p.act(ctx, request, partner)
	if errors.Is(err, mapper.ErrDuplicateMessage) {
		p.Metrics.Replayed()
		made.fault = wire.Duplicate()
		return p.answer(c, &wire.Response{Request: request, Fault: made.fault})
	}
	if err != nil {
		return err
	}
	p.Metrics.Items(made.action, results)
	p.payMisses(request, partner, results)
	p.Log.InfoContext(ctx, "partner call answered", slog.String("request_id", web.RequestID(c.Request.Context())),
		slog.String("partner", partner.ReferenceID), slog.String("action", string(made.action)), slog.Int("items", len(results)))
	out := p.compose(&wire.Response{Request: request, Results: results, Portal: partner.ReferenceID == SelfService})
	leave() // a slow reader of the answer keeps nobody else out
	p.send(c, out)
	return nil
}

// authenticate reads the call and proves who sent it and that they may. Once it is proven who sent the call, the partner
// comes with the error too.
func (p *PartnerAPI) authenticate(ctx context.Context, c *gin.Context, action mapper.Action, body []byte) (*wire.Request, keymgr.Partner, error) {
	signatures := c.Request.Header.Values("Signature")
	if len(signatures) == 0 {
		return nil, keymgr.Partner{}, keymgr.ErrSignatureMissing
	}
	request, err := wire.Parse(action, body, p.MaxBatch)
	if err != nil {
		return nil, keymgr.Partner{}, err
	}
	partner, err := p.Verifier.Verify(ctx, keymgr.Signed{Sender: request.Header.SenderID, Signature: signatures, Body: body})
	if err != nil {
		return nil, keymgr.Partner{}, err
	}
	if request.Problem != "" {
		return nil, partner, &wire.SyntaxError{Expected: request.Problem}
	}
	if request.Encrypted {
		return nil, partner, errEncrypted
	}
	if id := request.Header.ReceiverID; id != "" && len(p.ReceiverIDs) > 0 && !slices.Contains(p.ReceiverIDs, id) {
		return nil, partner, errReceiver
	}
	if missing := missingPermissions(partner, request); len(missing) > 0 {
		return nil, partner, &forbiddenError{missing}
	}
	return request, partner, nil
}

// missingPermissions is where it is decided whether a partner may send a message at all: if none is missing.
func missingPermissions(partner keymgr.Partner, request *wire.Request) (missing []keymgr.Permission) {
	require := func(permission keymgr.Permission) {
		if !partner.Allows(permission) {
			missing = append(missing, permission)
		}
	}
	switch {
	case isOfPortal(request.Action) && partner.ReferenceID == SelfService: // only the portal shows people what is theirs
		require(keymgr.Details)
		return missing
	case (request.Action == wire.Cancel || request.Action == wire.Report) && partner.ReferenceID == SelfService: // what people say of changes
		require(keymgr.Update)
		return missing
	case request.Action != mapper.Resolve:
		require(keymgr.Permission(request.Action))
		return missing
	}
	yesNo, details := mapper.Scopes(request.Items)
	if yesNo {
		require(keymgr.Resolve)
	}
	if details {
		require(keymgr.Details)
	}
	return missing
}

func (p *PartnerAPI) act(ctx context.Context, request *wire.Request, partner keymgr.Partner) ([]mapper.Result, error) {
	by := callerOf(ctx, request, partner)
	switch request.Action {
	case mapper.Link:
		return p.Mapper.Link(ctx, by, request.Items)
	case mapper.Update:
		return p.Mapper.Update(ctx, by, request.Items)
	case mapper.Unlink:
		return p.Mapper.Unlink(ctx, by, request.Items)
	case wire.Report:
		result, err := p.Reports.Report(ctx, by, request.Items[0])
		return []mapper.Result{result}, err
	case mapper.Resolve, wire.History, wire.Lookups:
		return p.Mapper.Resolve(ctx, by, request.Items)
	default:
		return nil, fmt.Errorf("no such action: %s", request.Action)
	}
}

func callerOf(ctx context.Context, request *wire.Request, partner keymgr.Partner) mapper.Actor {
	return mapper.Actor{
		Partner:       partner.ReferenceID,
		ByBeneficiary: partner.ReferenceID == SelfService, // which lets nobody else change anything
		FAProviders:   partner.FAProviders,
		MessageID:     request.Header.MessageID,
		TransactionID: request.TransactionID,
		RequestID:     web.RequestID(ctx),
	}
}

func (p *PartnerAPI) answer(c *gin.Context, response *wire.Response) error {
	p.send(c, p.compose(response))
	return nil
}

// compose writes an answer into a buffer that send gives back.
func (p *PartnerAPI) compose(response *wire.Response) *[]byte {
	response.SenderID, response.At = p.SenderID, p.Now()
	response.MessageID, response.CorrelationID = uuid.NewString(), uuid.NewString()
	out := answers.Get().(*[]byte)
	*out = response.Append((*out)[:0])
	return out
}

func (p *PartnerAPI) send(c *gin.Context, out *[]byte) {
	p.write(c, http.StatusOK, *out)
	if cap(*out) <= maxPooled {
		answers.Put(out)
	}
}

// write sends an answer with our signature over exactly its bytes.
func (p *PartnerAPI) write(c *gin.Context, status int, body []byte) {
	header := c.Writer.Header()
	if signature, err := p.Signer.Sign(body); err == nil {
		header.Set("Signature", signature)
	} else {
		// What was done is done: an answer that cannot be proven is better than none, and whoever checks will refuse it.
		p.Log.ErrorContext(c.Request.Context(), "answer was not signed", slog.String("error", err.Error()))
	}
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Cache-Control", "no-store")
	c.Writer.WriteHeader(status)
	c.Writer.Write(body) //nolint:errcheck // a caller that went away asks for the outcome again
}

// JWKSPath is where SPAR's public keys are.
const JWKSPath = "/.well-known/jwks.json"

// JWKS serves SPAR's public keys, current and previous.
func (p *PartnerAPI) JWKS(w http.ResponseWriter, r *http.Request) {
	keys, err := p.Signer.JWKS()
	if err != nil {
		p.Log.ErrorContext(r.Context(), "keys could not be published", slog.String("error", err.Error()))
		http.Error(w, "the keys are not available; try again", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Header().Set("Cache-Control", "public, max-age=60")
	w.Write(keys) //nolint:errcheck // the caller went away
}

// Bodies and answers are kept between calls: a batch of thousands of items is megabytes that need not be allocated each
// time. Larger ones are let go.
var (
	buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}
	answers = sync.Pool{New: func() any { return new([]byte) }}
)

const maxPooled = 4 << 20

func recycle(b *bytes.Buffer) {
	if b.Cap() <= maxPooled {
		b.Reset()
		buffers.Put(b)
	}
}

// isPlainJSON looks at every value of a header: a second one might be what somebody in between believes.
func isPlainJSON(h http.Header) bool {
	for _, encoding := range h.Values("Content-Encoding") {
		if !strings.EqualFold(encoding, "identity") {
			return false
		}
	}
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && len(h.Values("Content-Type")) == 1 && kind == "application/json" &&
		(params["charset"] == "" || strings.EqualFold(params["charset"], "utf-8"))
}

// maxTrusted bounds the memory that is set aside because a caller says that as much will come. Larger bodies get it as they
// arrive.
const maxTrusted = 1 << 20

// maxDrained bounds what is read of a body only to be thrown away.
const maxDrained = 2 * maxBody

// drain reads the rest of a body that is too large, within reason: many clients send everything before they look at the
// answer, and a connection closed under them hides it. How long it may take is the server's read timeout.
func drain(body io.Reader) {
	_, _ = io.CopyN(io.Discard, body, maxDrained) // whatever stops it, the answer is the same
}

func readBody(c *gin.Context, into *bytes.Buffer) error {
	r := c.Request
	if !isPlainJSON(r.Header) {
		return errMediaType
	}
	if r.ContentLength > maxBody {
		drain(r.Body)
		return errTooLarge
	}
	if r.ContentLength > 0 {
		into.Grow(int(min(r.ContentLength, maxTrusted)) + bytes.MinRead)
	}
	_, err := into.ReadFrom(http.MaxBytesReader(c.Writer, r.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		drain(r.Body)
		return errTooLarge
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errBodyBroken, err)
	}
	return nil
}
