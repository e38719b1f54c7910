package schemas

// For tests that compare the fast ways with the general ones.
var (
	ReadFact      = readFact
	JudgeFact     = judgeFact
	ReadEnvelope  = readEnvelope
	JudgeEnvelope = judgeEnvelope
)
