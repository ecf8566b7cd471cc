#!/usr/bin/env python3
"""Damages each kind of file under a node's directory, one at a time, and looks what becomes of it.

Three node processes serve a volume that is written and read all the while over NBD. For each case one node is stopped,
cleanly or by SIGKILL, a file of it is damaged, and it is started again. What must come of it:

  healed   the node starts, the cluster becomes healthy by itself, all replicas are equal, every acknowledged write is there
  refused  the process ends and its last error names the file; the two others go on; once the disk is emptied, which is
           what the error says to do where the file cannot be put back, the node heals
  failed   anything else

With --running the file is damaged while the node runs, which is restarted some seconds later (or at once, if it halts).

    benchmarks/files-damaged.py [--seed N] [--skip N] [--seconds S] [--kinds REGEX] [--damages REGEX] [--running] [--keep]

CISTERN names the command (./cistern). Exit 1 if a case failed. Needs: Linux, Python 3, fsync that works.
"""
import argparse, collections, json, os, random, re, shutil, signal, socket, struct, subprocess, sys, tempfile, threading, time
import urllib.request, uuid

BLOCK, BLOCKS = 4096, 8192
NODES = ['n0', 'n1', 'n2']
HEAL_SECONDS, START_SECONDS = 90, 60

# kind, pattern of the path below the node's directory
KINDS = [(k, re.compile(p + '$')) for k, p in [
    ('node.toml', r'node\.toml'),
    ('node.json', r'disk/node\.json'),
    ('node.json.copy', r'disk/node\.json\.copy'),
    ('superblock', r'disk/cistern\.disk'),
    ('data extent', r'disk/data/.*\.slots'),
    ('map CURRENT', r'disk/map/CURRENT'),
    ('map MANIFEST', r'disk/map/MANIFEST-\d+'),
    ('map OPTIONS', r'disk/map/OPTIONS-\d+'),
    ('map SST', r'disk/map/\d+\.sst'),
    ('map WAL', r'disk/map/\d+\.log'),
    ('map IDENTITY', r'disk/map/IDENTITY'),
    ('map LOCK', r'disk/map/LOCK'),
    ('map LOG', r'disk/map/LOG'),
    ('mark', r'disk/marks/\d+'),
    ('system checkpoint', r'disk/system/[^/]+/[^/]+'),
    ('g0 replica file', r'disk/raft/g0/[^/]+/replica'),
    ('g0 committed', r'disk/raft/g0/[^/]+/committed'),
    ('g0 raft-meta', r'disk/raft/g0/[^/]+/.*/raft-meta'),
    ('g0 raft-meta.conf', r'disk/raft/g0/[^/]+/.*/raft-meta\.conf'),
    ('g0 log closed', r'disk/raft/g0/[^/]+/.*/log_\d+-\d+'),
    ('g0 log open', r'disk/raft/g0/[^/]+/.*/log_inprogress_\d+'),
    ('replica file', r'disk/raft/g[1-9]\d*/[^/]+/replica'),
    ('committed', r'disk/raft/g[1-9]\d*/[^/]+/committed'),
    ('raft-meta', r'disk/raft/g[1-9]\d*/[^/]+/.*/raft-meta'),
    ('raft-meta.conf', r'disk/raft/g[1-9]\d*/[^/]+/.*/raft-meta\.conf'),
    ('log closed', r'disk/raft/g[1-9]\d*/[^/]+/.*/log_\d+-\d+'),
    ('log open', r'disk/raft/g[1-9]\d*/[^/]+/.*/log_inprogress_\d+'),
    ('log lock', r'disk/raft/g\d+/[^/]+/.*/in_use\.lock'),
]]
DAMAGES = ['empty', 'half', 'gone', 'flip', 'flip', 'flip', 'zeroes', 'noise', 'old']


def kind_of(relative):
    for kind, pattern in KINDS:
        if pattern.match(relative):
            return kind
    return None


def damage(how, path, old, rng):
    """Returns what was done, or None where there is nothing to do."""
    if how == 'old':
        if not old or not os.path.exists(old):
            return None
        with open(old, 'rb') as a, open(path, 'rb') as b:
            if a.read() == b.read():
                return None
        shutil.copyfile(old, path)
        return 'an old copy put back'
    size = os.path.getsize(path)
    if how == 'gone':
        os.remove(path)
        return 'deleted'
    if how == 'empty':
        if size == 0:
            return None
        os.truncate(path, 0)
        return 'cut to nothing'
    if how == 'half':
        if size < 2:
            return None
        os.truncate(path, size // 2)
        return 'cut to %d of %d bytes' % (size // 2, size)
    if size == 0:
        return None
    # Extents and log files are longer than what they hold: strike where there is something.
    with open(path, 'r+b') as f:
        at = rng.randrange(size)
        for _ in range(200):
            f.seek(at)
            if any(f.read(64)):
                break
            at = rng.randrange(size)
        if how == 'flip':
            f.seek(at)
            byte = f.read(1)[0]
            f.seek(at)
            f.write(bytes([byte ^ 1 << rng.randrange(8)]))
            return 'a bit flipped at %d of %d' % (at, size)
        length = min(4096, max(1, size // 2))
        at = max(0, min(at, size - length))
        f.seek(at)
        f.write(bytes(length) if how == 'zeroes' else rng.randbytes(length))
        return '%d bytes of %s at %d of %d' % (length, how, at, size)


class Nbd:
    """A client of fixed newstyle NBD with simple replies."""

    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(120)
        self.s.connect(path)
        magic, option, _ = struct.unpack('>8sQH', self.get(18))
        assert magic == b'NBDMAGIC' and option == 0x49484156454F5054
        self.s.sendall(struct.pack('>I', 3) + struct.pack('>QII', option, 1, 0))
        self.get(10)
        self.handle = 0

    def get(self, n):
        out = b''
        while len(out) < n:
            part = self.s.recv(n - len(out))
            if not part:
                raise OSError('the driver hung up')
            out += part
        return out

    def call(self, kind, at, length, data=b''):
        self.handle += 1
        self.s.sendall(struct.pack('>IHHQQI', 0x25609513, 0, kind, self.handle, at, length) + data)
        magic, error, handle = struct.unpack('>IIQ', self.get(16))
        assert magic == 0x67446698 and handle == self.handle, 'out of step'
        if error:
            raise OSError(error, 'NBD error')
        return self.get(length) if kind == 0 else b''


class Load(threading.Thread):
    """Writes blocks at random, one at a time, each with a number of its own, and knows what was acknowledged."""

    def __init__(self, sock, seed):
        super().__init__(daemon=True)
        self.nbd, self.rng, self.lock = Nbd(sock), random.Random(seed), threading.Lock()
        self.acked, self.number, self.failure, self.ended = {}, 0, None, False

    @staticmethod
    def content(block, number):
        return (struct.pack('>QQ', block, number) * (BLOCK // 16))

    def write(self, count):
        for _ in range(count):
            with self.lock:
                block = self.rng.randrange(BLOCKS)
                self.number += 1
                self.nbd.call(1, block * BLOCK, BLOCK, self.content(block, self.number))
                self.acked[block] = self.number

    def run(self):
        try:
            while not self.ended:
                self.write(1)
                time.sleep(0.002)
        except Exception as e:
            self.failure = e

    def check(self):
        """Reads everything; returns what is wrong."""
        step = 32
        for first in range(0, BLOCKS, step):
            with self.lock:
                data = self.nbd.call(0, first * BLOCK, step * BLOCK)
                for i in range(step):
                    number = self.acked.get(first + i)
                    got = data[i * BLOCK:(i + 1) * BLOCK]
                    want = self.content(first + i, number) if number else bytes(BLOCK)
                    if got != want:
                        return 'block %d holds %r, acknowledged was write %s' % (first + i, got[:16], number)
        return None


class Cluster:
    def __init__(self, root):
        self.root, self.home = root, os.path.join(root, 'home')
        self.base = self.free_base()
        self.cistern = os.environ.get('CISTERN', os.path.join(os.path.dirname(__file__), '..', 'cistern'))
        self.env = dict(os.environ, CISTERN_HOME=self.home, CISTERN_API=','.join(self.api(i) for i in range(3)))
        members = ''.join('[[cluster.node]]\nname = "n%d"\nwire = "127.0.0.1:%d"\nraft = "127.0.0.1:%d"\napi = "%s"\n'
                          % (i, self.port(i, 1), self.port(i, 2), self.api(i)) for i in range(3))
        cluster = str(uuid.uuid4())
        for i, name in enumerate(NODES):
            os.makedirs(os.path.join(self.home, name))
            with open(os.path.join(self.home, name, 'node.toml'), 'w') as f:
                f.write('[node]\nname = "%s"\n[[disk]]\npath = "disk"\n[wire]\nlisten = "127.0.0.1:%d"\n[raft]\n'
                        'listen = "127.0.0.1:%d"\n[api]\nlisten = "127.0.0.1:%d"\n[log]\nfile = "node.log"\n[tuning]\n'
                        'checkpoint = "2MiB"\n[cluster]\nid = "%s"\n%s'
                        % (name, self.port(i, 1), self.port(i, 2), self.port(i, 0), cluster, members))
        with open(os.path.join(self.home, 'endpoints'), 'w') as f:
            f.write(''.join(self.api(i) + '\n' for i in range(3)))
        self.command('start', '--processes', '--port-base', str(self.base))
        self.processes, self.lines = {}, {}
        for name in NODES:
            pid = self.running(name)
            with open('/proc/%d/cmdline' % pid, 'rb') as f:
                self.lines[name] = [a.decode() for a in f.read().split(b'\0')[:-1]]

    @staticmethod
    def free_base():
        for base in range(20000, 40000, 500):
            try:
                for i in range(3):
                    for plus in (0, 1, 2):
                        with socket.socket() as s:
                            s.bind(('127.0.0.1', base + 100 * i + plus))
                return base
            except OSError:
                pass
        raise SystemExit('no free ports')

    def port(self, node, plus):
        return self.base + 100 * node + plus

    def api(self, node):
        return 'http://127.0.0.1:%d' % self.port(node, 0)

    def command(self, *arguments, ok=True):
        done = subprocess.run([self.cistern, *arguments], env=self.env, capture_output=True, text=True, timeout=200)
        if ok and done.returncode:
            raise RuntimeError('cistern %s: %s%s' % (' '.join(arguments), done.stdout, done.stderr))
        return done

    def running(self, name):
        """The process id of a node, by its configuration file in the command line."""
        wanted = os.path.join(self.home, name, 'node.toml').encode()
        for entry in os.listdir('/proc'):
            if entry.isdigit():
                try:
                    with open('/proc/%s/cmdline' % entry, 'rb') as f:
                        if wanted in f.read().split(b'\0'):
                            return int(entry)
                except OSError:
                    pass
        return 0

    def stop(self, name, how):
        pid = self.running(name)
        if pid:
            os.kill(pid, how)
        end = time.time() + 40
        while pid and self.running(name):
            if time.time() > end:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        if name in self.processes:
            self.processes.pop(name).wait()

    def start(self, name):
        out = open(os.path.join(self.home, name, 'out.log'), 'wb')
        self.processes[name] = subprocess.Popen(self.lines[name], env=self.env, stdin=subprocess.DEVNULL, stdout=out,
                                                stderr=subprocess.STDOUT, start_new_session=True)

    def exited(self, name):
        process = self.processes.get(name)
        return process is not None and process.poll() is not None

    def status(self):
        for i in range(3):
            try:
                with urllib.request.urlopen(self.api(i) + '/v1/status', timeout=8) as answer:
                    return json.load(answer)
            except Exception:
                pass
        return {'health': 'NONE', 'reasons': ['no node answers'], 'nodes': []}

    def verify(self):
        """None, or how the replicas differ."""
        try:
            started = self.ask('/v1/verifications', b'{}')
            while started['running']:
                time.sleep(0.3)
                started = self.ask('/v1/verifications/' + started['id'])
        except OSError as e:
            return 'verify: %r' % e
        if started.get('failure'):
            return 'verify: %s' % started['failure']
        return '; '.join(started['report']['mismatches']) or None

    def ask(self, path, body=None):
        """From the first node, which must be up."""
        request = urllib.request.Request(self.api(0) + path, body, {'Content-Type': 'application/json'})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def log_size(self, name):
        path = os.path.join(self.home, name, 'node.log')
        return os.path.getsize(path) if os.path.exists(path) else 0

    def errors(self, name, since):
        text = ''
        path = os.path.join(self.home, name, 'node.log')
        if os.path.exists(path):
            with open(path, errors='replace') as f:
                f.seek(since)
                text = f.read()
        with open(os.path.join(self.home, name, 'out.log'), errors='replace') as f:
            text += f.read()
        return [line for line in text.splitlines() if ' ERROR ' in line or line.startswith('cistern:')]

    def close(self):
        for name in NODES:
            self.stop(name, signal.SIGKILL)
        self.command('stop', ok=False)


def await_(seconds, what):
    end = time.time() + seconds
    while time.time() < end:
        if what():
            return True
        time.sleep(0.25)
    return False


def files(cluster, name):
    base = os.path.join(cluster.home, name)
    found = collections.defaultdict(list)
    try:
        with open(os.path.join(base, 'disk', 'node.json')) as f:
            peers = {replica['peer'] for replica in json.load(f)['replicas']}
    except (OSError, ValueError):
        peers = None
    for folder, folders, names in os.walk(base):
        folders[:] = [d for d in folders if 'quarantine' not in d and d != 'damaged']
        for n in names:
            relative = os.path.relpath(os.path.join(folder, n), base)
            kind = kind_of(relative)
            log = re.match(r'disk/raft/g\d+/([^/]+)/', relative)
            if log and peers is not None and log.group(1) not in peers:
                continue  # what a replica that was replaced has left
            if kind:
                found[kind].append(relative)
            elif n not in ('node.log', 'out.log') and not n.endswith('.pid'):
                found['other'].append(relative)
    return found


class Sweep:
    def __init__(self, cluster, load, rng, cases, running):
        self.cluster, self.load, self.rng, self.cases, self.running = cluster, load, rng, cases, running
        self.old = {}  # a node's directory as it was some cases ago
        self.results = []

    def keep_old(self, name):
        target = os.path.join(self.cluster.root, 'old', name)
        shutil.rmtree(target, ignore_errors=True)
        pid = self.cluster.running(name)
        os.kill(pid, signal.SIGSTOP)
        try:
            shutil.copytree(os.path.join(self.cluster.home, name), target,
                            ignore=shutil.ignore_patterns('*.slots', '*.quarantine*', 'damaged'))
        finally:
            os.kill(pid, signal.SIGCONT)
        self.old[name] = target

    def run(self, deadline):
        while self.cases and time.time() < deadline:
            kind, how = self.cases.pop(0)
            name = self.rng.choice(NODES)
            self.one(kind, how, name)
        return self.results

    def one(self, kind, how, name):
        c, began = self.cluster, time.time()
        if not files(c, name).get(kind):
            self.done(kind, how, name, 'absent', 'no such file', began)
            return
        kill = self.rng.random() < 0.5
        how_to_stop = signal.SIGKILL if kill else signal.SIGTERM
        if not self.running:
            c.stop(name, how_to_stop)
        found = files(c, name).get(kind)
        if not found:
            self.done(kind, how, name, 'absent', 'no such file', began)
            if not self.running:
                c.start(name)
                self.healthy()
            return
        relative = self.rng.choice(sorted(found))
        path = os.path.join(c.home, name, relative)
        old = self.old.get(name) and os.path.join(self.old[name], relative)
        if how == 'old' and old and not os.path.exists(old):
            old = None
        toml = os.path.join(c.home, name, 'node.toml')
        shutil.copy(toml, os.path.join(c.root, 'node.toml'))
        try:
            did = damage(how, path, old, self.rng)
        except FileNotFoundError:
            did = None  # a running node has renamed or deleted it
        since = c.log_size(name)
        if did is None:
            self.done(kind, how, name, 'absent', 'nothing to damage', began)
        if self.running:
            if not await_(4, lambda: not c.running(name)):
                c.verify()
            else:
                did += ', which halted it'
            c.stop(name, how_to_stop)
        c.start(name)
        outcome, why = self.outcome(name, relative, since)
        if kind == 'node.toml':
            c.stop(name, signal.SIGTERM)
            shutil.copy(os.path.join(c.root, 'node.toml'), toml)
            c.start(name)
        if outcome == 'refused' and kind != 'node.toml':
            self.empty(name)
            c.start(name)
        healthy = self.healthy()
        if healthy is not None:
            outcome, why = 'failed', why + ' | afterwards: ' + healthy
            print('  LOG', *c.errors(name, since)[-6:], sep='\n    ')
            self.empty(name)
            c.start(name)
            self.healthy()
        if did is not None:
            self.done(kind, how, name, outcome, '%s (%s, %s): %s' % (relative, 'killed' if kill else 'stopped', did, why), began)
        if self.rng.random() < 0.3 and c.running(name):
            self.keep_old(name)

    def outcome(self, name, relative, since):
        c = self.cluster
        if not await_(START_SECONDS, lambda: c.exited(name) or self.up(name)):
            return 'failed', 'neither up nor ended'
        # Some end while they open what they hold.
        if await_(1, lambda: c.exited(name)):
            errors = c.errors(name, since)
            last = errors[-1] if errors else 'no word'
            named = any(os.path.basename(relative) in e or os.path.dirname(relative) in e for e in errors)
            return ('refused' if named else 'failed'), 'ended: ' + last[-300:]
        errors = c.errors(name, since)
        return 'healed', ('said: ' + errors[0][-220:] if errors else 'said nothing')

    def up(self, name):
        try:
            with urllib.request.urlopen(self.cluster.api(NODES.index(name)) + '/v1/self', timeout=4):
                return True
        except OSError:
            return False

    def empty(self, name):
        self.cluster.stop(name, signal.SIGKILL)
        disk = os.path.join(self.cluster.home, name, 'disk')
        shutil.rmtree(disk)
        os.mkdir(disk)

    def healthy(self):
        """None, or what is wrong."""
        c = self.cluster
        if not await_(HEAL_SECONDS, lambda: c.status()['health'] == 'OK'):
            return 'not healthy: %s' % c.status()['reasons']
        differs = c.verify()
        if differs and c.verify():  # the first mends
            return differs
        if self.load.failure:
            return 'the load failed: %r' % self.load.failure
        return self.load.check()

    def done(self, kind, how, name, outcome, text, began):
        self.results.append((kind, how, outcome, text))
        print('%-8s %-18s %-7s %s %5.1f s  %s' % (outcome, kind, how, name, time.time() - began, text), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seed', type=int, default=random.randrange(1 << 30))
    parser.add_argument('--skip', type=int, default=0, help='leaves out as many cases of this seed, which another run had')
    parser.add_argument('--seconds', type=int, default=3600)
    parser.add_argument('--kinds', default='.')
    parser.add_argument('--damages', default='.')
    parser.add_argument('--running', action='store_true', help='damages what a running node has open')
    parser.add_argument('--keep', action='store_true', help='keeps the directory')
    options = parser.parse_args()
    rng = random.Random(options.seed)
    print('seed %d' % options.seed)
    cases = [(k, d) for k, _ in KINDS for d in DAMAGES if re.search(options.kinds, k) and re.search(options.damages, d)]
    rng.shuffle(cases)
    del cases[:options.skip]
    wanted, deadline = len(cases), time.time() + options.seconds
    root = tempfile.mkdtemp(prefix='files-damaged-')
    cluster = None
    try:
        cluster = Cluster(root)
        cluster.command('volume', 'create', 'v', '64MiB')
        sock = os.path.join(root, 'v.sock')
        cluster.command('attach', 'v', '--socket', sock)
        load = Load(sock, options.seed)
        load.write(4000)
        load.start()
        sweep = Sweep(cluster, load, rng, cases, options.running)
        for name in NODES:
            sweep.keep_old(name)
        print('other files: %s' % files(cluster, 'n0').get('other'))
        results = sweep.run(deadline)
        load.ended = True
    finally:
        if cluster:
            cluster.close()
        if options.keep:
            print('kept: ' + root)
        else:
            shutil.rmtree(root, ignore_errors=True)
    table = collections.defaultdict(collections.Counter)
    for kind, _, outcome, _ in results:
        table[kind][outcome] += 1
    print('\n%-18s %7s %7s %7s %7s' % ('kind', 'healed', 'refused', 'failed', 'absent'))
    for kind, _ in KINDS:
        if kind in table:
            print('%-18s %7d %7d %7d %7d' % (kind, *(table[kind][o] for o in ('healed', 'refused', 'failed', 'absent'))))
    total = collections.Counter(r[2] for r in results)
    print('%d of %d cases: %d healed, %d refused, %d failed, %d absent; %d writes acknowledged' % (
        len(results), wanted, total['healed'], total['refused'], total['failed'], total['absent'], load.number))
    sys.exit(1 if total['failed'] else 0)


main()
