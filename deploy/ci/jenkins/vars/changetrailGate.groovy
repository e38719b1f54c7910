/**
 * A step of a shared library that asks whether the change of a multibranch build may be merged. It
 * fails if the change may not be merged, or if nobody can tell:
 *
 *   stage('gate') { when { changeRequest() } steps {
 *     changetrailGate gateway: 'https://changetrail.acme.example', wait: '10m'
 *   } }
 *
 * credentialsId names a secret text, the bearer token; the default is changetrail. The commit is
 * GIT_COMMIT. If the branch source builds pull requests merged with their target, that is a
 * temporary commit, which the gate denies: let it build the revision of the pull request itself, or
 * name the newest commit of the pull request with commit.
 */
def call(Map arguments) {
    withCredentials([string(credentialsId: arguments.credentialsId ?: 'changetrail', variable: 'CHANGETRAIL_PRODUCER_TOKEN')]) {
        withEnv(['CHANGETRAIL_PRODUCER_GATEWAY=' + arguments.gateway, 'GATE_WAIT=' + (arguments.wait ?: '10m'), 'GATE_COMMIT=' + (arguments.commit ?: '')]) {
            sh 'changetrail gate --wait "$GATE_WAIT" --commit "$GATE_COMMIT"'
        }
    }
}
