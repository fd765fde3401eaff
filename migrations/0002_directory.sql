-- +goose Up

-- Digital financial service providers: banks and wallet providers. Codes are upper case.
CREATE TABLE dfsps (
    code        TEXT    NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL,
    kind        TEXT    NOT NULL, -- bank, mobile_wallet, email_wallet
    active      BOOLEAN NOT NULL,
    search_text TEXT    NOT NULL  -- folded name and code
);

CREATE TABLE branches (
    dfsp_code   TEXT    NOT NULL REFERENCES dfsps (code),
    code        TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    town        TEXT    NOT NULL,
    active      BOOLEAN NOT NULL,
    search_text TEXT    NOT NULL, -- folded bank, branch, code and town
    PRIMARY KEY (dfsp_code, code)
);

-- How a financial address is constructed from, and deconstructed into, its attributes.
CREATE TABLE strategies (
    name        TEXT    NOT NULL PRIMARY KEY,
    kind        TEXT    NOT NULL,
    construct   TEXT    NOT NULL, -- template with {attribute}
    deconstruct TEXT    NOT NULL, -- RE2 with named groups, the template's inverse
    active      BOOLEAN NOT NULL
);

INSERT INTO strategies (name, kind, construct, deconstruct, active) VALUES
('bank', 'bank',
 'account:{account_number}@{branch_code}.{bank_code}.bank_acc',
 '^account:(?P<account_number>[A-Za-z0-9][A-Za-z0-9 /-]*)@(?P<branch_code>[A-Za-z0-9_-]+)\.(?P<bank_code>[A-Za-z0-9_-]+)\.bank_acc$',
 TRUE),
('mobile wallet', 'mobile_wallet',
 'mobile:{mobile_number}@{provider_code}.mobile_wallet',
 '^mobile:(?P<mobile_number>\+?[0-9][0-9-]*)@(?P<provider_code>[A-Za-z0-9_-]+)\.mobile_wallet$',
 TRUE),
('email wallet', 'email_wallet',
 'email:{email_address}@{provider_code}.email_wallet',
 '^email:(?P<email_address>[A-Za-z0-9.!#$%&''*+/=^_`{|}~-]+@[A-Za-z0-9.-]+)@(?P<provider_code>[A-Za-z0-9_-]+)\.email_wallet$',
 TRUE),
('OpenG2P bank', 'bank',
 'account_number:{account_number}.branch_name:{branch_name}.branch_code:{branch_code}.bank_name:{bank_name}.bank_code:{bank_code}.fa_type:{fa_type}',
 '^account_number:(?P<account_number>[^:]+)\.branch_name:(?P<branch_name>[^:]*)\.branch_code:(?P<branch_code>[^:]+)\.bank_name:(?P<bank_name>[^:]*)\.bank_code:(?P<bank_code>[^:]+)\.fa_type:(?P<fa_type>[^:]+)$',
 TRUE),
('OpenG2P phone', 'mobile_wallet',
 'mobile_number:{mobile_number}.wallet_provider_name:{wallet_provider_name}.wallet_provider_code:{wallet_provider_code}.fa_type:{fa_type}',
 '^mobile_number:(?P<mobile_number>[^:]+)\.wallet_provider_name:(?P<wallet_provider_name>[^:]*)\.wallet_provider_code:(?P<wallet_provider_code>[^:]+)\.fa_type:(?P<fa_type>[^:]+)$',
 TRUE),
('OpenG2P email', 'email_wallet',
 'email_address:{email_address}.wallet_provider_name:{wallet_provider_name}.wallet_provider_code:{wallet_provider_code}.fa_type:{fa_type}',
 '^email_address:(?P<email_address>[^:]+)\.wallet_provider_name:(?P<wallet_provider_name>[^:]*)\.wallet_provider_code:(?P<wallet_provider_code>[^:]+)\.fa_type:(?P<fa_type>[^:]+)$',
 TRUE);

-- +goose Down
DROP TABLE strategies;
DROP TABLE branches;
DROP TABLE dfsps;
