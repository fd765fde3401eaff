package mappertest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"spar/mapper"
)

// IFSC invents a directory like India's: about 1,300 banks, of which few have most of the branches, in 36 states, with
// codes, names and addresses as that list writes them. It is the same one each time.
func IFSC(branches int) ([]mapper.DFSP, []mapper.Branch) {
	g := &ifsc{random: rand.New(rand.NewPCG(1, 2))}
	g.invent()
	list := make([]mapper.Branch, 0, branches)
	used := map[string]int{}
	for len(list) < branches {
		// The cube makes the first banks and places have most of the branches.
		bank := g.banks[int(float64(len(g.banks))*cubed(g.random.Float64()))]
		place := g.places[int(float64(len(g.places))*cubed(g.random.Float64()))]
		used[bank.Code]++
		list = append(list, mapper.Branch{
			DFSP: bank.Code, Code: fmt.Sprintf("%s0%06d", bank.Code[:4], used[bank.Code]+1000*int(bank.Code[3]%7)),
			Name: g.branchName(place), Town: place.town, Area: place.district + ", " + place.state, Address: g.address(place), Active: true,
		})
	}
	return g.banks, list
}

// Searches are what people type to find a branch of [IFSC], and what costs most.
var Searches = []string{
	"sbi mumbai andheri", "state bnak of india andhri", "punjab natl bank delhi", "hdfc", "delhi", "SBIN0001234", "connaught plce new dehli", "canara bangalor indranagar",
	"s", "bank", "maharashtra cooperative nagarik sahakari", "uttarpradesh gandhinagarpuram kalyananagaram", "state bank of india main branch road near station complex",
}

func cubed(f float64) float64 { return f * f * f }

type ifsc struct {
	random *rand.Rand
	banks  []mapper.DFSP
	places []place
}

type place struct{ locality, town, district, state string }

var (
	greatBanks = []string{
		"SBIN State Bank of India", "PUNB Punjab National Bank", "HDFC HDFC Bank", "BARB Bank of Baroda", "CNRB Canara Bank", "UBIN Union Bank of India",
		"ICIC ICICI Bank Limited", "UTIB Axis Bank", "BKID Bank of India", "IDIB Indian Bank", "CBIN Central Bank of India", "IOBA Indian Overseas Bank",
		"UCBA UCO Bank", "MAHB Bank of Maharashtra", "KKBK Kotak Mahindra Bank Limited", "INDB IndusInd Bank", "BDBL Bandhan Bank Limited", "FDRL Federal Bank",
		"PSIB Punjab & Sind Bank", "IDFB IDFC First Bank", "YESB Yes Bank", "SIBL South Indian Bank", "KVBL Karur Vysya Bank", "KARB Karnataka Bank Limited",
		"JAKA Jammu and Kashmir Bank Limited", "RATN RBL Bank Limited", "CIUB City Union Bank Limited", "ABHY Abhyudaya Co-operative Bank Limited",
		"SRCB Saraswat Co-operative Bank Limited", "SVCB SVC Co-operative Bank", "COSB Cosmos Co-operative Bank Limited", "IPOS India Post Payments Bank",
		"AIRP Airtel Payments Bank Limited", "ESFB Equitas Small Finance Bank Limited", "AUBL AU Small Finance Bank Limited", "UJVN Ujjivan Small Finance Bank Limited",
	}
	ifscStates = []string{
		"UTTAR PRADESH", "MAHARASHTRA", "TAMIL NADU", "KARNATAKA", "WEST BENGAL", "GUJARAT", "ANDHRA PRADESH", "BIHAR", "RAJASTHAN", "MADHYA PRADESH", "KERALA", "PUNJAB",
		"TELANGANA", "HARYANA", "ODISHA", "DELHI", "JHARKHAND", "ASSAM", "CHHATTISGARH", "UTTARAKHAND", "HIMACHAL PRADESH", "JAMMU AND KASHMIR", "GOA", "TRIPURA", "MEGHALAYA",
		"PUDUCHERRY", "MANIPUR", "CHANDIGARH", "ARUNACHAL PRADESH", "NAGALAND", "MIZORAM", "SIKKIM", "ANDAMAN AND NICOBAR ISLAND", "LADAKH", "DADRA AND NAGAR HAVELI", "LAKSHADWEEP",
	}
	greatTowns = []string{
		"MUMBAI|GREATER MUMBAI|MAHARASHTRA|ANDHERI (EAST),ANDHERI WEST,FORT,BANDRA,DADAR,KURLA (W),GHATKOPAR,BORIVALI,MALAD EAST,POWAI,CHEMBUR,NARIMAN POINT",
		"NEW DELHI|NEW DELHI|DELHI|CONNAUGHT PLACE,KAROL BAGH,SAKET,ROHINI SECTOR 7,DWARKA,LAJPAT NAGAR,CHANDNI CHOWK,PATPARGANJ,JANAKPURI,NEHRU PLACE",
		"BANGALORE|BANGALORE URBAN|KARNATAKA|JAYANAGAR,INDIRANAGAR,KORAMANGALA,M.G. ROAD,WHITEFIELD,MALLESWARAM,RAJAJINAGAR,ELECTRONIC CITY,HEBBAL",
		"CHENNAI|CHENNAI|TAMIL NADU|T. NAGAR,ADYAR,ANNA NAGAR,MYLAPORE,VELACHERY,TAMBARAM,EGMORE,PORUR",
		"KOLKATA|KOLKATA|WEST BENGAL|PARK STREET,SALT LAKE,BALLYGUNGE,HOWRAH ROAD,GARIAHAT,DUM DUM,ALIPORE",
		"HYDERABAD|HYDERABAD|TELANGANA|BANJARA HILLS,AMEERPET,KUKATPALLY,GACHIBOWLI,ABIDS,DILSUKHNAGAR,SECUNDERABAD",
		"PUNE|PUNE|MAHARASHTRA|DECCAN GYMKHANA,KOTHRUD,HADAPSAR,PIMPRI,LAXMI ROAD,BANER ROAD,WAGHOLI",
		"AHMEDABAD|AHMEDABAD|GUJARAT|NAVRANGPURA,MANEKCHOWK,ODHAV,MANINAGAR,BODAKDEV", "LUCKNOW|LUCKNOW|UTTAR PRADESH|HAZRATGANJ,GOMTI NAGAR,ALIGANJ,CHARBAGH",
		"KANPUR|KANPUR NAGAR|UTTAR PRADESH|MALL ROAD,KAKADEO,KIDWAI NAGAR", "JAIPUR|JAIPUR|RAJASTHAN|M.I. ROAD,VAISHALI NAGAR,MALVIYA NAGAR", "PATNA|PATNA|BIHAR|BORING ROAD,KANKARBAGH,FRASER ROAD",
		"DELHI|NORTH DELHI|DELHI|CIVIL LINES,KASHMERE GATE,MODEL TOWN", "NAVI MUMBAI|THANE|MAHARASHTRA|VASHI,CBD BELAPUR,NERUL,KHARGHAR", "NASHIK|NASHIK|MAHARASHTRA|NASHIK ROAD,PANCHAVATI,CIDCO",
		"BHOPAL|BHOPAL|MADHYA PRADESH|T.T. NAGAR,ARERA COLONY,BAIRAGARH", "KOCHI|ERNAKULAM|KERALA|EDAPALLY,FORT KOCHI,VYTTILA", "AMRITSAR|AMRITSAR|PUNJAB|HALL BAZAR,LAWRENCE ROAD,PUTLIGHAR",
	}
	beginnings = strings.Fields("ach ad agar ak al amb an ar ash aur ba bad bag bal ban bar bel bha bhu bij bil bo chan chit dar deo dhar dun far gan gar go guna gur har hos in jag jal jam jo ka kal kan kar kha kol kri kum la lax ma mad mal man mir mo mu na nag nan nil pal pan par pit pra pur rai ram ran rat sag san sar sha shi sid sin so sur ta tal tir tri ud um var ved vi wad ya zir")
	middles    = strings.Fields("a ad al am an ar ath av bar da dev di ga gan ha i ka kal la li mal man me na ni pa ra ri sa sar ta tar thi va ve ya")
	endings    = strings.Fields("abad bari dih ganj garh ghat giri gaon gram halli hat khed kheda kot kuppam mandi nagar palli patti pet pur pura puram tala vadi vali wada war")
	streets    = strings.Fields("STATION GANDHI NEHRU MAIN BAZAR TEMPLE COLLEGE HOSPITAL MARKET COURT CHURCH LAKE RAILWAY HIGHWAY PARK CANAL FORT MILL TILAK SUBHASH PATEL SHIVAJI AMBEDKAR")
	houses     = strings.Fields("COMPLEX BHAVAN TOWERS PLAZA BUILDING CHAMBERS ARCADE HOUSE APARTMENTS NIWAS ESTATE CENTRE")
)

// invent makes the banks and the places.
func (g *ifsc) invent() {
	for _, bank := range greatBanks {
		code, name, _ := strings.Cut(bank, " ")
		g.banks = append(g.banks, mapper.DFSP{Code: code, Name: name, Kind: mapper.Bank, Active: true})
	}
	used := map[string]bool{}
	for _, bank := range g.banks {
		used[bank.Code] = true
	}
	for len(g.banks) < 1300 {
		place := strings.ToUpper(g.name())
		code := strings.ToUpper(place[:2]) + string(rune('A'+g.random.IntN(26))) + string(rune('A'+g.random.IntN(26)))
		if used[code] {
			continue
		}
		used[code] = true
		kind := []string{"District Central Co-operative Bank Ltd", "Nagarik Sahakari Bank Ltd", "Gramin Bank", "Urban Co-op Bank Limited", "Mahila Co-operative Bank"}[g.random.IntN(5)]
		g.banks = append(g.banks, mapper.DFSP{Code: code, Name: "The " + place[:1] + strings.ToLower(place[1:]) + " " + kind, Kind: mapper.Bank, Active: true})
	}
	for _, town := range greatTowns {
		parts := strings.Split(town, "|")
		for _, locality := range strings.Split(parts[3], ",") {
			for range 6 {
				g.places = append(g.places, place{locality, parts[0], parts[1], parts[2]})
			}
		}
	}
	for state, name := range ifscStates {
		for range 60 / (state/2 + 1) * 2 {
			district := strings.ToUpper(g.name())
			for range 30 {
				town := strings.ToUpper(g.name())
				g.places = append(g.places, place{town, town, district, name})
				if g.random.IntN(3) == 0 {
					g.places = append(g.places, place{strings.ToUpper(g.name()), town, district, name})
				}
			}
		}
	}
	great := g.places[:len(greatTowns)*20]
	rest := g.places[len(great):]
	g.random.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
}

func (g *ifsc) pick(list []string) string { return list[g.random.IntN(len(list))] }

func (g *ifsc) name() string {
	name := g.pick(beginnings)
	for range g.random.IntN(3) {
		name += g.pick(middles)
	}
	return name + g.pick(endings)
}

func (g *ifsc) branchName(p place) string {
	switch g.random.IntN(8) {
	case 0:
		return p.locality + " " + g.pick(streets) + " ROAD"
	case 1:
		return p.town + " MAIN"
	case 2:
		return strings.ToUpper(g.name())
	case 3:
		return p.locality + " BRANCH"
	}
	return p.locality
}

func (g *ifsc) address(p place) string {
	parts := []string{
		fmt.Sprintf("SHOP NO. %d", 1+g.random.IntN(120)), strings.ToUpper(g.name()) + " " + g.pick(houses), g.pick(streets) + " ROAD", "NEAR " + g.pick(streets) + " " + g.pick(houses),
		"PLOT NO " + fmt.Sprint(1+g.random.IntN(900)), "VILLAGE " + strings.ToUpper(g.name()), "GROUND FLOOR", "TAL " + strings.ToUpper(g.name()),
	}
	g.random.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	parts = append(slices.Clone(parts[:2+g.random.IntN(4)]), p.locality, fmt.Sprintf("%s - %d", p.town, 100000+g.random.IntN(750000)))
	return strings.Join(parts, ", ")
}
