package wire

import (
	"errors"
	"time"

	"spar/mapper"
)

// A day is a date of the registry's calendar, and travels as one.
type answerLookup struct {
	Partner string `json:"partner"`
	Name    string `json:"partner_name"`
	Day     string `json:"day"`
	Count   int64  `json:"count"`
	FirstAt int64  `json:"first_at"`
	LastAt  int64  `json:"last_at"`
}

func appendLookups(b []byte, lookups []mapper.Lookup) []byte {
	for i, l := range lookups {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendJSON(b, answerLookup{l.Partner, l.PartnerName, l.Day.Format(time.DateOnly), l.Count, l.FirstAt.UnixMilli(), l.LastAt.UnixMilli()})
	}
	return b
}

func lookupsOf(list []answerLookup) ([]mapper.Lookup, error) {
	lookups := make([]mapper.Lookup, 0, len(list))
	for _, l := range list {
		day, err := time.Parse(time.DateOnly, l.Day)
		if err != nil {
			return nil, errors.New("the answer names a day that is none")
		}
		lookups = append(lookups, mapper.Lookup{
			Partner: l.Partner, PartnerName: l.Name, Day: day, Count: l.Count,
			FirstAt: time.UnixMilli(l.FirstAt).UTC(), LastAt: time.UnixMilli(l.LastAt).UTC(),
		})
	}
	return lookups, nil
}
