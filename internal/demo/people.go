package demo

import "strings"

// The roles that the demo provider gives to staff, as a Keycloak realm would.
const (
	StaffRole   = "spar-admin"
	AuditorRole = "spar-auditor"
)

// Person is somebody who can log in to the demo. All of them are invented; so are their numbers.
type Person struct {
	Key        string // what the login page sends
	NationalID string // the individual_id claim
	Name       string
	Phone      string // E.164
	Email      string
	Roles      []string // realm_access.roles; staff only
}

// Staff reports whether the person works for the registry.
func (p Person) Staff() bool { return len(p.Roles) > 0 }

// situation is the key of the one line about the person on the login page.
func (p Person) situation() string { return "demo.person." + strings.ReplaceAll(p.Key, "-", "_") }

// MapperID is the ID under which the mapper knows the person.
func (p Person) MapperID() string { return "token:" + p.NationalID + "@nationalid" }

// People lists who can log in. National IDs begin with 99, which the Republic of Solvenna never assigned; the telephone
// numbers are valid ones that are kept for fiction; e-mail addresses are under example.org.
func People() []Person {
	return []Person{
		{"amina-diallo", "9901482736", "Amina Diallo", "+12025550101", "amina.diallo@example.org", nil},
		{"jose-nunez", "9902759143", "José Núñez Ibarra", "+12025550102", "jose.nunez@example.org", nil},
		{"siobhan-okeefe", "9903316482", "Siobhán O'Keeffe", "+12025550103", "siobhan.okeeffe@example.org", nil},
		{"ngoc-anh", "9904628175", "Nguyễn Thị Ngọc Ánh", "+12025550104", "ngoc.anh@example.org", nil},
		{"fatima-zahra", "9905193847", "Fatima-Zahra El Idrissi", "+12025550105", "fatima.zahra@example.org", nil},
		{"kwame-mensah", "9906874521", "Kwame Mensah", "+12025550106", "kwame.mensah@example.org", nil},
		{"zofia-krol", "9907235918", "Zofia Król", "+12025550107", "zofia.krol@example.org", nil},
		{"ratu-tevita", "9908461370", "Tevita Ratu", "+12025550108", "tevita.ratu@example.org", nil},
		{"maria-dangelo", "9909582614", "Maria D’Angelo", "+12025550109", "maria.dangelo@example.org", nil},
		{"arjun-pillai", "9910347295", "Arjun Pillai", "+12025550110", "arjun.pillai@example.org", nil},
		{"lupe-quispe", "9911720468", "Guadalupe Quispe Mamani", "+12025550111", "lupe.quispe@example.org", nil},
		{"yusuf-ozturk", "9912905736", "Yusuf Öztürk", "+12025550112", "yusuf.ozturk@example.org", nil},
		{"ines-carvalho", "9913618254", "Inês Carvalho", "+12025550113", "ines.carvalho@example.org", []string{StaffRole, "offline_access", "default-roles-demo"}},
		{"tomas-okafor", "9914827360", "Tomás Okafor", "+12025550114", "tomas.okafor@example.org", []string{AuditorRole, "offline_access", "default-roles-demo"}},
	}
}

// PersonByKey finds somebody by the key that the login page sends.
func PersonByKey(key string) (Person, bool) {
	for _, p := range People() {
		if p.Key == key {
			return p, true
		}
	}
	return Person{}, false
}
