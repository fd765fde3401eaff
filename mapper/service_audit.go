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
	detail := tally(changes)
	detail["partner"], detail["message_id"], detail["items"] = by.Partner, by.MessageID, strconv.Itoa(items)
	return audit.Event{Actor: who, Action: string(action), Target: linksTarget, After: changesFingerprint(changes), Detail: detail}
}

// settledEvent is the audit event of held changes whose hold has ended, whoever asked for them.
func settledEvent(settled []settledChange) audit.Event {
	changes := make([]change, len(settled))
	for i, d := range settled {
		changes[i] = d.change
	}
	return audit.Event{
		Actor: audit.Actor{Kind: audit.System}, Action: audit.Apply, Target: linksTarget, After: changesFingerprint(changes), Detail: tally(changes),
	}
}

// tally counts the links that were changed, and what was held of them or is no more, if anything.
func tally(changes []change) map[string]string {
	counts := map[Action]int{}
	for _, c := range changes {
		counts[c.action]++
	}
	detail := map[string]string{"changed": strconv.Itoa(len(changes) - counts[Hold] - counts[Cancel])}
	for action, name := range map[Action]string{Hold: "held", Cancel: "cancelled"} {
		if counts[action] > 0 {
			detail[name] = strconv.Itoa(counts[action])
		}
	}
	return detail
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
