package mapper

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"spar/internal/audit"
)

// linksTarget is the target of the audit events of batches. Whose links they were stands in the history.
const linksTarget = "links"

// batchEvent is the audit event of a batch that changed something. It holds nothing of any person: After is a fingerprint
// of the change ids, with which the rows of the history can be counted and found again.
func batchEvent(by Actor, action Action, items int, changes []change) audit.Event {
	who := audit.Actor{Kind: audit.Partner, ID: by.Partner, RequestID: by.RequestID}
	if by.ByBeneficiary {
		who.Kind, who.ID = audit.Beneficiary, ""
	}
	return audit.Event{
		Actor: who, Action: string(action), Target: linksTarget, After: changesFingerprint(changes),
		Detail: map[string]string{
			"partner": by.Partner, "message_id": by.MessageID, "items": strconv.Itoa(items), "changed": strconv.Itoa(len(changes)),
		},
	}
}

// changesFingerprint is the SHA-256 of the batch's change ids, 16 bytes each, in ascending order.
func changesFingerprint(changes []change) string {
	ids := make([]uuid.UUID, len(changes))
	for i, c := range changes {
		ids[i] = c.changeID
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	h := sha256.New()
	for _, id := range ids {
		h.Write(id[:])
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}
