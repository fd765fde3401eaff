package mapper

// Code is a status_reason_code of the definition.
type Code string

// The codes of items. Those of the definition's LinkStatusReasonCode, ResolveStatusReasonCode, UpdateStatusReasonCode
// and UnlinkStatusReasonCode; update and unlink also answer IDInvalid and FAInvalid, as every existing client expects.
const (
	ReferenceIDInvalid      Code = "rjct.reference_id.invalid"
	ReferenceIDDuplicate    Code = "rjct.reference_id.duplicate" // also: the ID is linked already
	TimestampInvalid        Code = "rjct.timestamp.invalid"
	IDInvalid               Code = "rjct.id.invalid"
	FAInvalid               Code = "rjct.fa.invalid"
	NameInvalid             Code = "rjct.name.invalid"             // link
	MobileNumberInvalid     Code = "rjct.mobile_number.invalid"    // link
	OtherError              Code = "rjct.other.error"              // link
	BeneficiaryNameInvalid  Code = "rjct.beneficiary_name.invalid" // update and unlink: anything about the person
	ResolveTypeNotSupported Code = "rjct.resolve_type.not_supported"
	IDActive                Code = "succ.id.active"
	IDInactive              Code = "succ.id.inactive"
	IDNotFound              Code = "succ.id.not_found"
	FAActive                Code = "succ.fa.active"
	FAInactive              Code = "succ.fa.inactive"
	FANotFound              Code = "succ.fa.not_found"
	FANotLinkedToID         Code = "succ.fa.not_linked_to_id"

	// StateStale refuses a change whose Base is not the state that the link is in. Not of the definition: only the portal
	// states a base.
	StateStale Code = "rjct.state.stale"
	// ChangeUnknown refuses a report of what is no change of the ID's link. As above.
	ChangeUnknown Code = "rjct.change.unknown"
)

// What these two are about.
const (
	textStale         = "the link is not in the state that this change was made for"
	textChangeUnknown = "there is no such change of this ID's link"
)

// Texts that existing clients match on, to the letter.
const (
	textIDNull        = "ID is null"
	textFANull        = "FA is null"
	textAlreadyMapped = "ID and FA are already mapped"
	textNotLinked     = "ID doesnt exist please link first"
	textNothingAsked  = "Either ID or FA are required"
)
