package ocsf

import "github.com/go-json-experiment/json/jsontext"

// Version is the version of OCSF that events follow. Its classes and attributes are also in 1.7 and
// 1.8.
const Version = "1.6.0"

// A class is an event class of OCSF.
type class struct {
	uid, category      int
	name, categoryName string
}

// The classes that are used.
var (
	complianceFinding   = class{2003, 2, "Compliance Finding", "Findings"}
	detectionFinding    = class{2004, 2, "Detection Finding", "Findings"}
	postureFinding      = class{2007, 2, "Application Security Posture Finding", "Findings"}
	applicationActivity = class{6002, 6, "Application Lifecycle", "Application Activity"}
	apiActivity         = class{6003, 6, "API Activity", "Application Activity"}
	scanActivity        = class{6007, 6, "Scan Activity", "Application Activity"}
)

// An enum is a value of an enumeration of OCSF, with its caption.
type enum struct {
	id      int
	caption string
}

// attributes are those of all classes that are used. The names are OCSF's; times are milliseconds
// since 1970.
type attributes struct {
	ActivityID   int    `json:"activity_id"`
	ActivityName string `json:"activity_name"`
	CategoryUID  int    `json:"category_uid"`
	CategoryName string `json:"category_name"`
	ClassUID     int    `json:"class_uid"`
	ClassName    string `json:"class_name"`
	TypeUID      int    `json:"type_uid"`
	TypeName     string `json:"type_name"`
	Time         int64  `json:"time"`
	SeverityID   int    `json:"severity_id"`
	Severity     string `json:"severity"`
	StatusID     *int   `json:"status_id,omitempty"`
	Status       string `json:"status,omitempty"`
	Message      string `json:"message,omitempty"`

	Metadata    metadata     `json:"metadata"`
	Observables []observable `json:"observables,omitempty"`

	// Of findings.
	FindingInfo *findingInfo `json:"finding_info,omitempty"`
	Compliance  *compliance  `json:"compliance,omitempty"`
	Application *application `json:"application,omitempty"`
	Evidences   []evidence   `json:"evidences,omitempty"`
	IsAlert     bool         `json:"is_alert,omitzero"`

	// Of activities.
	Actor         *actor    `json:"actor,omitempty"`
	API           *api      `json:"api,omitempty"`
	App           *product  `json:"app,omitempty"`
	Scan          *scan     `json:"scan,omitempty"`
	SrcEndpoint   *endpoint `json:"src_endpoint,omitempty"`
	ActionID      int       `json:"action_id,omitzero"`
	Action        string    `json:"action,omitempty"`
	DispositionID int       `json:"disposition_id,omitzero"`
	Disposition   string    `json:"disposition,omitempty"`
	Trace         *named    `json:"trace,omitempty"`

	Resources []resource `json:"resources,omitempty"`
	Unmapped  unmapped   `json:"unmapped,omitzero"`
}

type metadata struct {
	Version        string   `json:"version"`
	Product        product  `json:"product"`
	Profiles       []string `json:"profiles,omitempty"`
	UID            string   `json:"uid"`
	CorrelationUID string   `json:"correlation_uid,omitempty"`
	EventCode      string   `json:"event_code,omitempty"`
	LogName        string   `json:"log_name"`
	LogProvider    string   `json:"log_provider"`
	LoggedTime     int64    `json:"logged_time,omitzero"`
	OriginalTime   string   `json:"original_time"`
	Sequence       int64    `json:"sequence,omitzero"`
	TenantUID      string   `json:"tenant_uid,omitempty"`
	Labels         []string `json:"labels,omitempty"`
	Tags           []tag    `json:"tags,omitempty"`
}

type product struct {
	Name       string `json:"name,omitempty"`
	UID        string `json:"uid,omitempty"`
	VendorName string `json:"vendor_name,omitempty"`
}

// A tag is a key_value_object.
type tag struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type observable struct {
	Name   string `json:"name"`
	TypeID int    `json:"type_id"`
	Type   string `json:"type"`
	Value  string `json:"value"`
}

type findingInfo struct {
	UID               string    `json:"uid"`
	Title             string    `json:"title,omitempty"`
	Desc              string    `json:"desc,omitempty"`
	Types             []string  `json:"types,omitempty"`
	SrcURL            string    `json:"src_url,omitempty"`
	CreatedTime       int64     `json:"created_time,omitzero"`
	ModifiedTime      int64     `json:"modified_time,omitzero"`
	RelatedEventCount int64     `json:"related_events_count,omitzero"`
	Analytic          *analytic `json:"analytic,omitempty"`
}

type analytic struct {
	Name   string `json:"name"`
	UID    string `json:"uid,omitempty"`
	TypeID int    `json:"type_id"`
	Type   string `json:"type"`
	Desc   string `json:"desc,omitempty"`
}

type compliance struct {
	Standards     []string `json:"standards,omitempty"`
	Requirements  []string `json:"requirements,omitempty"`
	StatusID      *int     `json:"status_id,omitempty"`
	Status        string   `json:"status,omitempty"`
	StatusDetails []string `json:"status_details,omitempty"`
	Checks        []check  `json:"checks,omitempty"`
}

type check struct {
	UID       string   `json:"uid"`
	Name      string   `json:"name"`
	Desc      string   `json:"desc,omitempty"`
	Version   string   `json:"version,omitempty"`
	Standards []string `json:"standards,omitempty"`
	StatusID  int      `json:"status_id"`
	Status    string   `json:"status"`
}

type application struct {
	Name        string   `json:"name,omitempty"`
	UID         string   `json:"uid,omitempty"`
	Criticality string   `json:"criticality,omitempty"`
	Labels      []string `json:"labels,omitempty"`
}

type resource struct {
	UID         string   `json:"uid,omitempty"`
	Name        string   `json:"name,omitempty"`
	Type        string   `json:"type"`
	Namespace   string   `json:"namespace,omitempty"`
	Version     string   `json:"version,omitempty"`
	Criticality string   `json:"criticality,omitempty"`
	Labels      []string `json:"labels,omitempty"`
	Owner       *user    `json:"owner,omitempty"`
	RoleID      int      `json:"role_id"`
	Role        string   `json:"role"`
}

type user struct {
	Name string `json:"name"`
}

// named is an object of which only the uid is known.
type named struct {
	UID string `json:"uid"`
}

type evidence struct {
	Name        string         `json:"name"`
	UID         string         `json:"uid,omitempty"`
	File        *file          `json:"file,omitempty"`
	SrcEndpoint *endpoint      `json:"src_endpoint,omitempty"`
	Data        jsontext.Value `json:"data,omitempty"`
}

type file struct {
	Name   string        `json:"name"`
	TypeID int           `json:"type_id"`
	Type   string        `json:"type"`
	Desc   string        `json:"desc,omitempty"`
	Hashes []fingerprint `json:"hashes,omitempty"`
}

type fingerprint struct {
	AlgorithmID int    `json:"algorithm_id"`
	Algorithm   string `json:"algorithm"`
	Value       string `json:"value"`
}

type actor struct {
	User    *user  `json:"user,omitempty"`
	AppName string `json:"app_name,omitempty"`
	AppUID  string `json:"app_uid,omitempty"`
}

type api struct {
	Operation string   `json:"operation"`
	Service   *product `json:"service,omitempty"`
}

type scan struct {
	Name   string `json:"name"`
	TypeID int    `json:"type_id"`
	Type   string `json:"type"`
}

type endpoint struct {
	Name    string `json:"name,omitempty"`
	SvcName string `json:"svc_name"`
}

// unmapped contains the parts of a document for which OCSF has no attribute, as they are there.
type unmapped struct {
	Event         jsontext.Value `json:"event,omitempty"`
	GenAI         jsontext.Value `json:"gen_ai,omitempty"`
	Package       jsontext.Value `json:"package,omitempty"`
	Related       jsontext.Value `json:"related,omitempty"`
	Service       jsontext.Value `json:"service,omitempty"`
	Trace         jsontext.Value `json:"trace,omitempty"`
	User          jsontext.Value `json:"user,omitempty"`
	Vulnerability jsontext.Value `json:"vulnerability,omitempty"`
	Trail         jsontext.Value `json:"changetrail,omitempty"`
}
