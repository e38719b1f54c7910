package schemas

import _ "embed"

// OpenAPI describes the HTTP API of changetrail (OpenAPI 3.1): the gateway's part and that of the
// pages.
//
//go:embed openapi.json
var OpenAPI []byte
