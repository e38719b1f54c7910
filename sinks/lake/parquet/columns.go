package parquet

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A row is the columns of a table. They are the attributes of OCSF that package ocsf writes, under
// their names and nested as there, as Amazon Security Lake expects, and after them columns for what
// people ask about changes. All but the attributes that OCSF requires may be null.
type row struct {
	ActivityID   int32         `json:"activity_id" parquet:"activity_id"`
	ActivityName string        `json:"activity_name" parquet:"activity_name,optional,dict"`
	CategoryUID  int32         `json:"category_uid" parquet:"category_uid"`
	CategoryName string        `json:"category_name" parquet:"category_name,optional,dict"`
	ClassUID     int32         `json:"class_uid" parquet:"class_uid"`
	ClassName    string        `json:"class_name" parquet:"class_name,optional,dict"`
	TypeUID      int64         `json:"type_uid" parquet:"type_uid"`
	TypeName     string        `json:"type_name" parquet:"type_name,optional,dict"`
	Time         int64         `json:"time" parquet:"time"`
	TimeDT       int64         `json:"-" parquet:"time_dt,timestamp(millisecond)"`
	SeverityID   int32         `json:"severity_id" parquet:"severity_id"`
	Severity     string        `json:"severity" parquet:"severity,optional,dict"`
	StatusID     *int32        `json:"status_id" parquet:"status_id,optional"`
	Status       string        `json:"status" parquet:"status,optional,dict"`
	Message      string        `json:"message" parquet:"message,optional"`
	Metadata     metadata      `json:"metadata" parquet:"metadata"`
	Observables  []observable  `json:"observables" parquet:"observables,list"`
	FindingInfo  *findingInfo  `json:"finding_info" parquet:"finding_info,optional"`
	Compliance   *compliance   `json:"compliance" parquet:"compliance,optional"`
	Application  *application  `json:"application" parquet:"application,optional"`
	Evidences    []evidence    `json:"evidences" parquet:"evidences,list"`
	IsAlert      *bool         `json:"is_alert" parquet:"is_alert,optional"`
	Actor        *actor        `json:"actor" parquet:"actor,optional"`
	API          *api          `json:"api" parquet:"api,optional"`
	App          *product      `json:"app" parquet:"app,optional"`
	Scan         *typed        `json:"scan" parquet:"scan,optional"`
	SrcEndpoint  *endpoint     `json:"src_endpoint" parquet:"src_endpoint,optional"`
	ActionID     *int32        `json:"action_id" parquet:"action_id,optional"`
	Action       string        `json:"action" parquet:"action,optional,dict"`
	DispID       *int32        `json:"disposition_id" parquet:"disposition_id,optional"`
	Disposition  string        `json:"disposition" parquet:"disposition,optional,dict"`
	Trace        *named        `json:"trace" parquet:"trace,optional"`
	Resources    []resource    `json:"resources" parquet:"resources,list"`
	Unmapped     map[string]js `json:"unmapped" parquet:"unmapped,optional"`
	RawData      string        `json:"-" parquet:"raw_data"` // the whole event as JSON
	Trail        trail         `json:"-" parquet:"changetrail"`
}

// js is any JSON as text.
type js string

// UnmarshalJSON keeps the text.
func (t *js) UnmarshalJSON(text []byte) error {
	*t = js(text)
	return nil
}

type metadata struct {
	Version        string   `json:"version" parquet:"version,dict"`
	Product        product  `json:"product" parquet:"product"`
	Profiles       []string `json:"profiles" parquet:"profiles,list"`
	UID            string   `json:"uid" parquet:"uid"`
	CorrelationUID string   `json:"correlation_uid" parquet:"correlation_uid,optional"`
	EventCode      string   `json:"event_code" parquet:"event_code,optional,dict"`
	LogName        string   `json:"log_name" parquet:"log_name,optional,dict"`
	LogProvider    string   `json:"log_provider" parquet:"log_provider,optional,dict"`
	LoggedTime     *int64   `json:"logged_time" parquet:"logged_time,optional"`
	OriginalTime   string   `json:"original_time" parquet:"original_time,optional"`
	Sequence       *int64   `json:"sequence" parquet:"sequence,optional"`
	TenantUID      string   `json:"tenant_uid" parquet:"tenant_uid,optional,dict"`
	Labels         []string `json:"labels" parquet:"labels,list"`
	Tags           []tag    `json:"tags" parquet:"tags,list"`
}

type product struct {
	Name       string `json:"name" parquet:"name,optional,dict"`
	UID        string `json:"uid" parquet:"uid,optional,dict"`
	VendorName string `json:"vendor_name" parquet:"vendor_name,optional,dict"`
}

type tag struct {
	Name  string `json:"name" parquet:"name,optional,dict"`
	Value string `json:"value" parquet:"value,optional"`
}

type observable struct {
	Name   string `json:"name" parquet:"name,optional,dict"`
	TypeID int32  `json:"type_id" parquet:"type_id"`
	Type   string `json:"type" parquet:"type,optional,dict"`
	Value  string `json:"value" parquet:"value,optional"`
}

type findingInfo struct {
	UID          string    `json:"uid" parquet:"uid"`
	Title        string    `json:"title" parquet:"title,optional"`
	Desc         string    `json:"desc" parquet:"desc,optional"`
	Types        []string  `json:"types" parquet:"types,list"`
	SrcURL       string    `json:"src_url" parquet:"src_url,optional"`
	CreatedTime  *int64    `json:"created_time" parquet:"created_time,optional"`
	ModifiedTime *int64    `json:"modified_time" parquet:"modified_time,optional"`
	Related      *int64    `json:"related_events_count" parquet:"related_events_count,optional"`
	Analytic     *analytic `json:"analytic" parquet:"analytic,optional"`
}

type analytic struct {
	Name   string `json:"name" parquet:"name,optional,dict"`
	UID    string `json:"uid" parquet:"uid,optional,dict"`
	TypeID int32  `json:"type_id" parquet:"type_id"`
	Type   string `json:"type" parquet:"type,optional,dict"`
	Desc   string `json:"desc" parquet:"desc,optional"`
}

type compliance struct {
	Standards     []string `json:"standards" parquet:"standards,list"`
	Requirements  []string `json:"requirements" parquet:"requirements,list"`
	StatusID      *int32   `json:"status_id" parquet:"status_id,optional"`
	Status        string   `json:"status" parquet:"status,optional,dict"`
	StatusDetails []string `json:"status_details" parquet:"status_details,list"`
	Checks        []check  `json:"checks" parquet:"checks,list"`
}

type check struct {
	UID       string   `json:"uid" parquet:"uid,optional,dict"`
	Name      string   `json:"name" parquet:"name,optional,dict"`
	Desc      string   `json:"desc" parquet:"desc,optional"`
	Version   string   `json:"version" parquet:"version,optional,dict"`
	Standards []string `json:"standards" parquet:"standards,list"`
	StatusID  int32    `json:"status_id" parquet:"status_id"`
	Status    string   `json:"status" parquet:"status,optional,dict"`
}

type application struct {
	Name        string   `json:"name" parquet:"name,optional,dict"`
	UID         string   `json:"uid" parquet:"uid,optional,dict"`
	Criticality string   `json:"criticality" parquet:"criticality,optional,dict"`
	Labels      []string `json:"labels" parquet:"labels,list"`
}

type resource struct {
	UID         string   `json:"uid" parquet:"uid,optional,dict"`
	Name        string   `json:"name" parquet:"name,optional,dict"`
	Type        string   `json:"type" parquet:"type,optional,dict"`
	Namespace   string   `json:"namespace" parquet:"namespace,optional,dict"`
	Version     string   `json:"version" parquet:"version,optional"`
	Criticality string   `json:"criticality" parquet:"criticality,optional,dict"`
	Labels      []string `json:"labels" parquet:"labels,list"`
	Owner       *user    `json:"owner" parquet:"owner,optional"`
	RoleID      int32    `json:"role_id" parquet:"role_id"`
	Role        string   `json:"role" parquet:"role,optional,dict"`
}

type user struct {
	Name string `json:"name" parquet:"name,optional,dict"`
}

type named struct {
	UID string `json:"uid" parquet:"uid,optional"`
}

type typed struct {
	Name   string `json:"name" parquet:"name,optional,dict"`
	TypeID int32  `json:"type_id" parquet:"type_id"`
	Type   string `json:"type" parquet:"type,optional,dict"`
}

type evidence struct {
	Name        string    `json:"name" parquet:"name,optional"`
	UID         string    `json:"uid" parquet:"uid,optional"`
	File        *file     `json:"file" parquet:"file,optional"`
	SrcEndpoint *endpoint `json:"src_endpoint" parquet:"src_endpoint,optional"`
	Data        js        `json:"data" parquet:"data,optional"`
}

type file struct {
	Name   string        `json:"name" parquet:"name,optional"`
	TypeID int32         `json:"type_id" parquet:"type_id"`
	Type   string        `json:"type" parquet:"type,optional,dict"`
	Desc   string        `json:"desc" parquet:"desc,optional"`
	Hashes []fingerprint `json:"hashes" parquet:"hashes,list"`
}

type fingerprint struct {
	AlgorithmID int32  `json:"algorithm_id" parquet:"algorithm_id"`
	Algorithm   string `json:"algorithm" parquet:"algorithm,optional,dict"`
	Value       string `json:"value" parquet:"value,optional"`
}

type actor struct {
	User    *user  `json:"user" parquet:"user,optional"`
	AppName string `json:"app_name" parquet:"app_name,optional,dict"`
	AppUID  string `json:"app_uid" parquet:"app_uid,optional,dict"`
}

type api struct {
	Operation string   `json:"operation" parquet:"operation,optional,dict"`
	Service   *product `json:"service" parquet:"service,optional"`
}

type endpoint struct {
	Name    string `json:"name" parquet:"name,optional,dict"`
	SvcName string `json:"svc_name" parquet:"svc_name,optional,dict"`
}

// A trail is what people ask about changes; package ocsf has it in unmapped.
type trail struct {
	Change       string   `parquet:"change,optional,dict"`
	Repository   string   `parquet:"repository,optional,dict"`
	State        string   `parquet:"state,optional,dict"`
	Revision     *int64   `parquet:"revision,optional"`
	Service      string   `parquet:"service,optional,dict"`
	Agent        string   `parquet:"agent,optional,dict"`
	Trigger      string   `parquet:"trigger,optional,dict"`
	Alternatives string   `parquet:"alternatives,optional,dict"`
	Authorized   string   `parquet:"authorized,optional,dict"`
	Reviewed     string   `parquet:"reviewed,optional,dict"`
	Gaps         []string `parquet:"gaps,list"`
	Witness      string   `parquet:"witness,optional,dict"`
}

// tolerant reads data of events, which may repeat a name.
var tolerant = json.JoinOptions(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))

// read makes the row of an event of OCSF.
func read(event []byte) (row, error) {
	var r row
	if err := json.Unmarshal(event, &r, tolerant); err != nil {
		return row{}, err
	}
	r.TimeDT, r.RawData = r.Time, string(event)
	var rest struct {
		Unmapped struct {
			Service struct {
				Name string `json:"name"`
			} `json:"service"`
			GenAI struct {
				Agent struct {
					ID string `json:"id"`
				} `json:"agent"`
			} `json:"gen_ai"`
			Trail struct {
				Change struct {
					ID         string `json:"id"`
					Repository string `json:"repository"`
					State      string `json:"state"`
				} `json:"change"`
				Repository string `json:"repository"`
				Revision   *int64 `json:"revision"`
				Event      struct {
					Witness string `json:"witness"`
				} `json:"event"`
				Finding struct {
					Kind     string `json:"kind"`
					Revision *int64 `json:"revision"`
				} `json:"finding"`
				Answers struct {
					Trigger      string `json:"trigger"`
					Alternatives string `json:"alternatives"`
					Authorized   string `json:"authorized"`
					Reviewed     string `json:"reviewed"`
				} `json:"answers"`
				Gaps []string `json:"gaps"`
			} `json:"changetrail"`
		} `json:"unmapped"`
	}
	if err := json.Unmarshal(event, &rest, tolerant); err != nil {
		return row{}, err
	}
	u, t := rest.Unmapped, rest.Unmapped.Trail
	r.Trail = trail{
		Change: t.Change.ID, Repository: t.Repository, State: t.Change.State, Revision: t.Revision, Service: u.Service.Name, Agent: u.GenAI.Agent.ID,
		Trigger: t.Answers.Trigger, Alternatives: t.Answers.Alternatives, Authorized: t.Answers.Authorized, Reviewed: t.Answers.Reviewed,
		Gaps: t.Gaps, Witness: t.Event.Witness,
	}
	if r.Trail.Repository == "" {
		r.Trail.Repository = t.Change.Repository
	}
	if t.Finding.Kind != "" {
		r.Trail.Gaps, r.Trail.Revision = []string{t.Finding.Kind}, t.Finding.Revision
	}
	return r, nil
}
