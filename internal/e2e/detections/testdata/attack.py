"""Prints the techniques of MITRE ATT&CK that pySigma was released with: {id: [name, [tactics]]}."""
import json
import sys

from sigma.data import mitre_attack as attack

tactics = {short: name for name, short in attack.mitre_attack_tactics.items()}
json.dump({id: [name, [tactics[t] for t in attack.mitre_attack_techniques_tactics_mapping[id]]] for id, name in attack.mitre_attack_techniques.items()}, sys.stdout)
