/**
 * A step of a shared library that hands in reports of scanners and test runs:
 *
 *   post { always {
 *     changetrailAttach gateway: 'https://changetrail.acme.example', scan: ['osv.json'], tests: ['junit.xml']
 *   } }
 *
 * credentialsId names a secret text, the bearer token; changetrail where left out. In a
 * multibranch build of a change the reports are about that, else about the commit.
 */
def call(Map arguments) {
    withCredentials([string(credentialsId: arguments.credentialsId ?: 'changetrail', variable: 'CHANGETRAIL_PRODUCER_TOKEN')]) {
        withEnv(['CHANGETRAIL_PRODUCER_GATEWAY=' + arguments.gateway]) {
            ['scan', 'tests'].each { kind ->
                def files = arguments[kind] ?: []
                if (files) {
                    sh 'changetrail attach ' + kind + ' ' + files.collect { "'" + it.replace("'", "'\\''") + "'" }.join(' ')
                }
            }
        }
    }
}
