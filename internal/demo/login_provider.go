package demo

// LoginProvider is an entry of login_providers in the configuration, field by field, for the demo command to copy.
type LoginProvider struct {
	ID         string
	Name       map[string]string
	Audience   string
	Issuer     string
	ClientID   string
	ClientAuth string
	ClientKey  string // PEM file
	Scopes     []string
	Userinfo   string
	IDTemplate string
	RolesClaim string
	Roles      map[string]string
}

// LoginProviders are the two that the demo configures at its own provider: people with their National ID, and staff.
func (s *Server) LoginProviders() []LoginProvider {
	people := LoginProvider{
		ID: "national-id",
		Name: map[string]string{
			"en": "National ID", "fr": "Carte d’identité nationale", "tl": "Pambansang ID", "ar": "الهوية الوطنية",
		},
		Audience: "beneficiary", Issuer: s.Issuer(), ClientID: beneficiaryClient,
		ClientAuth: "private_key_jwt", ClientKey: s.clientKey,
		Scopes: []string{"openid", "profile"}, Userinfo: "signed", IDTemplate: "token:{individual_id}@nationalid",
	}
	staff := people
	staff.ID, staff.Audience, staff.ClientID, staff.IDTemplate = "staff", "staff", staffClient, ""
	staff.Name = map[string]string{"en": "Staff", "fr": "Personnel", "tl": "Kawani", "ar": "الموظفون"}
	staff.RolesClaim, staff.Roles = "realm_access.roles", map[string]string{StaffRole: "admin", AuditorRole: "auditor"}
	return []LoginProvider{people, staff}
}
