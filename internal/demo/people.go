package demo

// StaffRole is the role that the demo provider gives to its administrator, as a Keycloak realm would.
const StaffRole = "spar-admin"

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

// People lists who can log in. National IDs begin with 99, which the Republic of Solvenna never assigned; telephone
// numbers have the country code 999, which nobody has; e-mail addresses are under example.org.
func People() []Person {
	return []Person{
		{"amina-diallo", "9901482736", "Amina Diallo", "+999550010001", "amina.diallo@example.org",
			"Grows millet near Kitemba. Farm support is due; nothing is linked yet.", nil},
		{"jose-nunez", "9902759143", "José Núñez Ibarra", "+999550010002", "jose.nunez@example.org",
			"Fisherman in Port Marisol. His fuel refund already goes to a bank account.", nil},
		{"siobhan-okeefe", "9903316482", "Siobhán O'Keeffe", "+999550010003", "siobhan.okeeffe@example.org",
			"Retired teacher in Lindwyn. Her pension already goes to a bank account.", nil},
		{"ngoc-anh", "9904628175", "Nguyễn Thị Ngọc Ánh", "+999550010004", "ngoc.anh@example.org",
			"Runs a tea stall in Amberlake. Uses a mobile wallet for everything.", nil},
		{"fatima-zahra", "9905193847", "Fatima-Zahra El Idrissi", "+999550010005", "fatima.zahra@example.org",
			"Mother of three in Santa Oriel. First child grant this month.", nil},
		{"kwame-mensah", "9906874521", "Kwame Mensah", "+999550010006", "kwame.mensah@example.org",
			"Student in Solvenna City. His stipend already goes to a mobile wallet.", nil},
		{"zofia-krol", "9907235918", "Zofia Król", "+999550010007", "zofia.krol@example.org",
			"Nurse in Dovrin. Wants to move her allowance to another bank.", nil},
		{"ratu-tevita", "9908461370", "Tevita Ratu", "+999550010008", "tevita.ratu@example.org",
			"Lost his house in the flood at Halcyon Ferry. Waits for emergency cash.", nil},
		{"maria-dangelo", "9909582614", "Maria D’Angelo", "+999550010009", "maria.dangelo@example.org",
			"Widow in San Tovar. Prefers an e-mail wallet that her daughter helps with.", nil},
		{"arjun-pillai", "9910347295", "Arjun Pillai", "+999550010010", "arjun.pillai@example.org",
			"Weaver in Nyota Hills. Has an account at a small cooperative bank.", nil},
		{"lupe-quispe", "9911720468", "Guadalupe Quispe Mamani", "+999550010011", "lupe.quispe@example.org",
			"Llama herder above Tessaly Cross. The nearest branch is a day away.", nil},
		{"yusuf-ozturk", "9912905736", "Yusuf Öztürk", "+999550010012", "yusuf.ozturk@example.org",
			"Bus driver in Quillpoint. Disability allowance after an accident.", nil},
		{"ines-carvalho", "9913618254", "Inês Carvalho", "+999550010013", "ines.carvalho@example.org",
			"Works for the registry: administrator.", []string{StaffRole, "offline_access", "default-roles-demo"}},
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
