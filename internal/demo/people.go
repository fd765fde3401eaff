package demo

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
	Situation  string   // one line on the login page
	Roles      []string // realm_access.roles; staff only
}

// Staff reports whether the person works for the registry.
func (p Person) Staff() bool { return len(p.Roles) > 0 }

// MapperID is the ID under which the mapper knows the person.
func (p Person) MapperID() string { return "token:" + p.NationalID + "@nationalid" }

// People lists who can log in. National IDs begin with 99, which the Republic of Solvenna never assigned; the telephone
// numbers are valid ones that are kept for fiction; e-mail addresses are under example.org.
func People() []Person {
	return []Person{
		{"amina-diallo", "9901482736", "Amina Diallo", "+12025550101", "amina.diallo@example.org",
			"Grows millet near Kitemba. Farm support is due; nothing is linked yet.", nil},
		{"jose-nunez", "9902759143", "José Núñez Ibarra", "+12025550102", "jose.nunez@example.org",
			"Fisherman in Port Marisol. His fuel refund already goes to a bank account.", nil},
		{"siobhan-okeefe", "9903316482", "Siobhán O'Keeffe", "+12025550103", "siobhan.okeeffe@example.org",
			"Retired teacher in Lindwyn. Her pension already goes to a bank account.", nil},
		{"ngoc-anh", "9904628175", "Nguyễn Thị Ngọc Ánh", "+12025550104", "ngoc.anh@example.org",
			"Runs a tea stall in Amberlake. Uses a mobile wallet for everything.", nil},
		{"fatima-zahra", "9905193847", "Fatima-Zahra El Idrissi", "+12025550105", "fatima.zahra@example.org",
			"Mother of three in Santa Oriel. First child grant this month.", nil},
		{"kwame-mensah", "9906874521", "Kwame Mensah", "+12025550106", "kwame.mensah@example.org",
			"Student in Solvenna City. His stipend already goes to a mobile wallet.", nil},
		{"zofia-krol", "9907235918", "Zofia Król", "+12025550107", "zofia.krol@example.org",
			"Nurse in Dovrin. Wants to move her allowance to another bank.", nil},
		{"ratu-tevita", "9908461370", "Tevita Ratu", "+12025550108", "tevita.ratu@example.org",
			"Lost his house in the flood at Halcyon Ferry. Waits for emergency cash.", nil},
		{"maria-dangelo", "9909582614", "Maria D’Angelo", "+12025550109", "maria.dangelo@example.org",
			"Widow in San Tovar. Prefers an e-mail wallet that her daughter helps with.", nil},
		{"arjun-pillai", "9910347295", "Arjun Pillai", "+12025550110", "arjun.pillai@example.org",
			"Weaver in Nyota Hills. Has an account at a small cooperative bank.", nil},
		{"lupe-quispe", "9911720468", "Guadalupe Quispe Mamani", "+12025550111", "lupe.quispe@example.org",
			"Llama herder above Tessaly Cross. The nearest branch is a day away.", nil},
		{"yusuf-ozturk", "9912905736", "Yusuf Öztürk", "+12025550112", "yusuf.ozturk@example.org",
			"Bus driver in Quillpoint. Disability allowance after an accident.", nil},
		{"ines-carvalho", "9913618254", "Inês Carvalho", "+12025550113", "ines.carvalho@example.org",
			"Works for the registry: administrator.", []string{StaffRole, "offline_access", "default-roles-demo"}},
		{"tomas-okafor", "9914827360", "Tomás Okafor", "+12025550114", "tomas.okafor@example.org",
			"Works for the registry: auditor, who may look at everything and change nothing.", []string{AuditorRole, "offline_access", "default-roles-demo"}},
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
