package io.cistern.volume.image;

import io.cistern.block.BlockDevice;
import io.cistern.block.BlockDevice.Extent;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.Names;
import io.cistern.storage.Command.AttachMode;
import io.cistern.volume.ClusterAdmin;
import io.cistern.volume.ClusterClient;
import io.cistern.volume.Images;
import io.cistern.volume.Progress;
import io.cistern.volume.VolumeInfo;
import io.cistern.volume.VolumeSpec;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.UUID;
import java.util.function.Function;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// [Images] over a cluster. An import fills a volume under a name of its own (`import-…`) and gives
/// it the wanted name when it is complete, so that nobody meets half a disk, whatever ends it.
public final class ImageService implements Images {
    private static final Logger log = LoggerFactory.getLogger(ImageService.class);
    private static final int SECTOR = 512;

    /// What the holder of an import's attachment contains.
    public static final String HOLDER = "import of ";

    private static final Pattern IMPORTING = Pattern.compile("import-[0-9a-f]{8}-[0-9a-f]{4}");

    /// Extents asked for at a time.
    private static final int MAX_EXTENTS = 1024;

    private final ClusterAdmin admin;
    private final ClusterClient client;
    private final Runner runner;

    /// Runs work so that it is listed while it runs.
    public interface Runner {
        <T> T run(String kind, String what, Progress heard, Function<Progress, T> body);
    }

    public ImageService(ClusterAdmin admin, ClusterClient client, Runner runner) {
        this.admin = admin;
        this.client = client;
        this.runner = runner;
    }

    /// True for names under which imports fill volumes.
    public static boolean isImporting(String volume) {
        return IMPORTING.matcher(volume).matches();
    }

    @Override
    public ImageInfo inspect(Path file) {
        try (ImageSource source = open(file, null)) {
            return source.info();
        }
    }

    private static ImageSource open(Path path, @Nullable Format format) {
        ImageFile file = ImageFile.open(path);
        try {
            boolean qcow2 = format == null ? Qcow2Header.matches(file) : format == Format.QCOW2;
            if (qcow2 && !Qcow2Header.matches(file)) {
                throw new CisternException(ErrorCode.INVALID, path + " is not a qcow2 image");
            }
            if (format == null && !qcow2) {
                ForeignFormats.refuse(file);
            }
            return qcow2 ? new Qcow2Source(file) : new RawSource(file);
        } catch (RuntimeException e) {
            file.close();
            throw e;
        }
    }

    // ---- in

    @Override
    public VolumeInfo importImage(
            ImportRequest request, @Nullable Format format, Progress progress) {
        Names.check("volume name", request.volume());
        try (ImageSource source = open(request.file(), format)) {
            long size = size(request, source);
            requireFree(request.volume());
            String name = "import-" + UUID.randomUUID().toString().substring(0, 13);
            return runner.run(
                    "import",
                    "volume " + request.volume() + " (until then " + name + ")",
                    progress,
                    heard -> fill(request, name, source, size, heard));
        }
    }

    private static long size(ImportRequest request, ImageSource source) {
        long image = (source.sizeBytes() + SECTOR - 1) / SECTOR * SECTOR;
        if (image == 0) {
            throw new CisternException(ErrorCode.INVALID, request.file() + " is empty");
        }
        if (request.sizeBytes() != 0 && request.sizeBytes() < image) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    request.file()
                            + " holds "
                            + image
                            + " bytes, more than the "
                            + request.sizeBytes()
                            + " asked for");
        }
        return Math.max(image, request.sizeBytes());
    }

    private void requireFree(String name) {
        boolean taken = admin.volumes().stream().anyMatch(v -> v.name().equals(name));
        if (taken) {
            throw new CisternException(
                    ErrorCode.ALREADY_EXISTS,
                    "a volume '" + name + "' exists already; choose another name");
        }
    }

    private VolumeInfo fill(
            ImportRequest request, String name, ImageSource source, long size, Progress progress) {
        admin.createVolume(new VolumeSpec(name, size, request.replicas(), request.limits()));
        try {
            try (BlockDevice device =
                    client.open(name, AttachMode.EXCLUSIVE, HOLDER + request.file())) {
                copy(source, device, progress);
            }
            return admin.renameVolume(name, request.volume());
        } catch (RuntimeException e) {
            remove(name);
            throw e;
        }
    }

    private void remove(String name) {
        boolean interrupted = Thread.interrupted();
        try {
            admin.detach(name);
            admin.deleteVolume(name);
        } catch (CisternException e) {
            log.warn("volume {} of a failed import remains: {}", name, e.getMessage());
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private static void copy(ImageSource source, BlockDevice device, Progress progress) {
        ProgressMeter meter = new ProgressMeter(progress, source.sizeBytes());
        try (Pipeline pipeline = new Pipeline()) {
            for (ImageSource.Data data = source.next(0); data != null; ) {
                long end = data.offset() + data.length();
                for (long at = data.offset(); at < end; ) {
                    ByteBuffer buffer = pipeline.buffer();
                    int length = (int) Math.min(buffer.capacity(), end - at);
                    source.read(at, buffer.limit(length));
                    pipeline.write(device, at, buffer.flip());
                    at += length;
                    meter.at(at);
                }
                data = source.next(end);
            }
            pipeline.drain();
        }
        meter.at(source.sizeBytes());
    }

    // ---- out

    @Override
    public void exportImage(String source, Path file, Format format, Progress progress) {
        try (BlockDevice device = client.open(source, AttachMode.READ_ONLY, "export to " + file)) {
            runner.run(
                    "export",
                    "volume " + source,
                    progress,
                    heard -> {
                        export(device, file, format, heard);
                        return file;
                    });
        }
    }

    private static void export(BlockDevice device, Path path, Format format, Progress progress) {
        long size = device.sizeBytes();
        ImageFile file = ImageFile.create(path);
        boolean complete = false;
        try (ImageSink sink =
                format == Format.RAW ? new RawSink(file, size) : new Qcow2Sink(file, size)) {
            pour(device, size, sink, new ProgressMeter(progress, size));
            sink.finish();
            complete = true;
        } finally {
            if (!complete) {
                delete(path);
            }
        }
    }

    private static void delete(Path path) {
        try {
            Files.deleteIfExists(path);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void pour(BlockDevice device, long size, ImageSink sink, ProgressMeter meter) {
        try (ReadAhead ahead = new ReadAhead(device, sink, meter)) {
            for (long at = 0; at < size; ) {
                for (Extent extent : Pipeline.get(device.extents(at, size - at, MAX_EXTENTS))) {
                    if (extent.kind() == Extent.Kind.DATA) {
                        ahead.add(at, extent.length());
                    }
                    at += extent.length();
                }
            }
            ahead.finish(size);
        }
    }
}
