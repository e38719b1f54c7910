package schemas

// For tests that hold the quick ways against the general ones.
var (
	ReadFact      = readFact
	JudgeFact     = judgeFact
	ReadEnvelope  = readEnvelope
	JudgeEnvelope = judgeEnvelope
)
