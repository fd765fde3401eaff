package demo

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"spar/mapper"
)

// portalPartner is the partner that the portal acts as.
const portalPartner = "SPAR-SELF-SERVICE"

// existingLink is a link that is there at the first start.
type existingLink struct {
	person string // key
	fa     string
	by     string // partner
}

func existingLinks() []existingLink {
	return []existingLink{
		{person: "siobhan-okeefe", fa: "account:4400127731@101001.BANKA.bank_acc", by: SampleBank},
		{person: "jose-nunez", fa: "account:0071284456@102002.HARBVALE.bank_acc", by: portalPartner},
		{person: "kwame-mensah", fa: "mobile:+12025550106@KITOPAY.mobile_wallet", by: portalPartner},
		{person: "zofia-krol", fa: "account:5521900348@107002.DOVRINHB.bank_acc", by: portalPartner},
	}
}

// linkExisting links those who have an account already. Somebody who is linked stays as they are.
func linkExisting(ctx context.Context, m mapper.Mapper, now time.Time) error {
	for _, l := range existingLinks() {
		p, ok := PersonByKey(l.person)
		if !ok {
			return fmt.Errorf("link demo person %s: nobody of that name", l.person)
		}
		message := rand.Text()
		results, err := m.Link(ctx, mapper.Actor{
			Partner: l.by, ByBeneficiary: l.by == portalPartner, MessageID: message, TransactionID: message,
		}, []mapper.Item{{
			ReferenceID: mapper.String("1"), Timestamp: mapper.String(now.UTC().Format(time.RFC3339)),
			ID: mapper.String(p.MapperID()), FA: mapper.String(l.fa), Name: mapper.String(p.Name), Phone: mapper.String(p.Phone),
			Email: mapper.String(p.Email), // heard only where the person themself did it
		}})
		if err != nil {
			return fmt.Errorf("link demo person %s: %w", l.person, err)
		}
		if r := results[0]; r.Status != mapper.Succeeded && r.Code != mapper.ReferenceIDDuplicate {
			return fmt.Errorf("link demo person %s: %s %s", l.person, r.Code, r.Message)
		}
	}
	return nil
}
